/// A step of fetching a wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is being downloaded; both counts are 0 until pip names them (pip 24.1 and newer).
    Downloading {
        /// Bytes received so far.
        received_bytes: u64,
        /// Bytes there are.
        total_bytes: u64,
    },
    /// The download is being unpacked.
    Unpacking,
}
