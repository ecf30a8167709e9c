use std::fmt;
use std::str::FromStr;

use domain::TenantId;
use uuid::Uuid;

/// What a stored file is found by: `<tenant>/<uuid>`, both in hyphenated lower case.
///
/// A key can only be made of two UUIDs, so it leads nowhere but into the tenant's own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    tenant: TenantId,
    file: Uuid,
}

/// The text is not `<tenant>/<uuid>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file's key is two UUIDs with a slash between them")]
pub struct InvalidFileKey;

impl FileKey {
    pub(crate) fn fresh(tenant: TenantId) -> Self {
        Self {
            tenant,
            file: Uuid::new_v4(),
        }
    }

    pub(crate) const fn of(tenant: TenantId, file: Uuid) -> Self {
        Self { tenant, file }
    }

    /// The tenant whose file it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(crate) fn file(&self) -> Uuid {
        self.file
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.file)
    }
}

impl FromStr for FileKey {
    type Err = InvalidFileKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (tenant, file) = text.split_once('/').ok_or(InvalidFileKey)?;
        let key = Self {
            tenant: tenant.parse().map_err(|_| InvalidFileKey)?,
            file: file.parse().map_err(|_| InvalidFileKey)?,
        };
        // UUIDs have other spellings; a key has one.
        if key.to_string() == text {
            Ok(key)
        } else {
            Err(InvalidFileKey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back() {
        let key = FileKey::fresh(TenantId::new());
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_key() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        for text in [
            "",
            "/",
            id,
            &format!("{id}/.."),
            &format!("../{id}"),
            &format!("/{id}"),
            &format!("{id}/"),
            &format!("{id}/{id}/x"),
            &format!("{id}/{id}/../../etc/passwd"),
            &format!("{id}/{{{id}}}"),
            &format!("{id}/{}", id.replace('-', "")),
            &format!("{id}/{}", id.to_uppercase()),
            &format!("{id}/{id}\0"),
        ] {
            assert_eq!(text.parse::<FileKey>(), Err(InvalidFileKey), "{text}");
        }
    }
}
