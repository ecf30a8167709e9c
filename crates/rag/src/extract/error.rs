use std::io;

/// Why a file could not be read. Each is a sentence that the person who uploaded it understands.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// It opens only with a password.
    #[error("The file is protected by a password.")]
    PasswordProtected,
    /// It is called a PDF and is none.
    #[error("The file is not a PDF although its name says so.")]
    NotPdf,
    /// It is called an Office document and is none.
    #[error("The file is not an Office document although its name says so.")]
    NotOffice,
    /// A PDF of pictures.
    #[error("The PDF holds no text, only pictures: it is probably a scan.")]
    NoText,
    /// It is called a text and holds something else.
    #[error("The file is not a text although its name says so.")]
    NotText,
    /// There is nothing in it.
    #[error("The file holds no text.")]
    Empty,
    /// Its format is broken beyond repair.
    #[error("The file is damaged and cannot be read.")]
    Damaged,
    /// It is small and unpacks to something huge.
    #[error("The file unpacks to far more than its size, as files made to overload readers do.")]
    Bomb,
    /// It declares XML entities: text that stands for other text.
    #[error("The file declares XML entities, which are refused.")]
    Entities,
    /// Its parts stand inside each other too often.
    #[error("The file is nested too deeply.")]
    TooDeep,
    /// A workbook of more cells than are read.
    #[error("The workbook has too many filled cells: more than 5 million.")]
    TooManyCells,
    /// It took more time than [`Limits`](super::Limits) allow.
    #[error("Reading the file took longer than {seconds} seconds.")]
    TooSlow {
        /// The limit that it met.
        seconds: u64,
    },
    /// It took more memory than [`Limits`](super::Limits) allow.
    #[error("Reading the file needed more memory than allowed.")]
    TooMuchMemory,
    /// Its text is longer than [`Limits`](super::Limits) allow.
    #[error("The file holds more text than allowed.")]
    TooMuchText,
    /// The reader met a file that it cannot cope with.
    #[error("The reader crashed on this file.")]
    Crashed,
    /// The reader could not be started or listened to: the file is not at fault, try again.
    #[error("The reader could not be started.")]
    Unavailable(#[source] io::Error),
}

/// The exit codes by which a child names the error. 101 is what Rust itself uses for a panic.
const EXIT_CODES: [(u8, fn() -> ExtractError); 14] = [
    (10, || ExtractError::PasswordProtected),
    (11, || ExtractError::NotPdf),
    (12, || ExtractError::NoText),
    (13, || ExtractError::NotText),
    (14, || ExtractError::Empty),
    (15, || ExtractError::Damaged),
    (16, || ExtractError::TooMuchText),
    (17, || ExtractError::TooMuchMemory),
    (18, || ExtractError::NotOffice),
    (19, || ExtractError::Bomb),
    (20, || ExtractError::Entities),
    (21, || ExtractError::TooDeep),
    (22, || ExtractError::TooManyCells),
    (101, || ExtractError::Crashed),
];

impl ExtractError {
    /// Whether another try may end differently.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The code a child exits with to name this error; 1 for those only a parent knows.
    pub(super) fn exit_code(&self) -> u8 {
        EXIT_CODES
            .iter()
            .find(|(_, make)| std::mem::discriminant(&make()) == std::mem::discriminant(self))
            .map_or(1, |(code, _)| *code)
    }

    /// The error that a child's exit code names.
    pub(super) fn from_exit_code(code: i32) -> Self {
        EXIT_CODES
            .iter()
            .find(|(known, _)| i32::from(*known) == code)
            .map_or_else(
                || Self::Unavailable(io::Error::other(format!("the reader exited with {code}"))),
                |(_, make)| make(),
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_names_its_own_error() {
        for (code, make) in EXIT_CODES {
            assert_eq!(make().exit_code(), code);
            let back = ExtractError::from_exit_code(i32::from(code));
            assert_eq!(back.to_string(), make().to_string());
        }
    }

    #[test]
    fn only_a_reader_that_did_not_start_is_worth_another_try() {
        assert!(ExtractError::from_exit_code(1).is_retryable());
        assert!(!ExtractError::from_exit_code(101).is_retryable());
    }
}
