use std::fmt;

use domain::TenantId;

use super::InvalidField;

/// The longest key, in characters, as the table has it.
const MAX_CHARS: usize = 300;

/// The name of a limit, checked and in the one form that the engine looks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitKey(String);

/// What a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope<'a> {
    /// Every job of a tenant: `tenant:<id>`.
    Tenant(TenantId),
    /// Every job of a kind: `kind:<kind>`.
    Kind(&'a str),
    /// A tenant's jobs of a kind: `tenant:<id>/<kind>`.
    TenantKind(TenantId, &'a str),
    /// The jobs that carry the key themselves, such as `endpoint:<id>`.
    Own,
}

impl LimitKey {
    /// Reads a key as people write it.
    ///
    /// # Errors
    /// Says what is wrong with the field `key`.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let wrong = |detail: &str| InvalidField::new("key", detail);
        let Some((family, name)) = text.split_once(':') else {
            return Err(wrong("must be a family and a name, such as endpoint:7"));
        };
        if family.is_empty() || name.is_empty() || text.chars().count() > MAX_CHARS {
            return Err(wrong(
                "must be a family and a name, 300 characters at most in all",
            ));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("must be without spaces"));
        }
        match family {
            "tenant" => {
                let (id, kind) = match name.split_once('/') {
                    Some((id, kind)) => (id, Some(kind)),
                    None => (name, None),
                };
                let tenant: TenantId = id
                    .parse()
                    .map_err(|_| wrong("must name a tenant by its id after tenant:"))?;
                match kind {
                    Some(kind) if is_kind(kind) => Ok(Self::tenant_kind(tenant, kind)),
                    Some(_) => Err(wrong("must name a kind after the tenant's id")),
                    None => Ok(Self::tenant(tenant)),
                }
            }
            "kind" if !is_kind(name) => Err(wrong("must name a kind after kind:")),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The limit on all of a tenant's jobs.
    pub fn tenant(tenant: TenantId) -> Self {
        Self(format!("tenant:{tenant}"))
    }

    /// The limit on all jobs of a kind.
    pub fn kind(kind: &str) -> Self {
        Self(format!("kind:{kind}"))
    }

    /// The limit on a tenant's jobs of a kind.
    pub fn tenant_kind(tenant: TenantId, kind: &str) -> Self {
        Self(format!("tenant:{tenant}/{kind}"))
    }

    /// The key as the table has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it applies to.
    pub fn scope(&self) -> LimitScope<'_> {
        scope_of(&self.0)
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key applies to, whatever wrote it.
pub(crate) fn scope_of(key: &str) -> LimitScope<'_> {
    if let Some(kind) = key.strip_prefix("kind:") {
        return LimitScope::Kind(kind);
    }
    let Some(name) = key.strip_prefix("tenant:") else {
        return LimitScope::Own;
    };
    let (id, kind) = match name.split_once('/') {
        Some((id, kind)) => (id, Some(kind)),
        None => (name, None),
    };
    match (id.parse(), kind) {
        (Ok(tenant), Some(kind)) => LimitScope::TenantKind(tenant, kind),
        (Ok(tenant), None) => LimitScope::Tenant(tenant),
        (Err(_), _) => LimitScope::Own,
    }
}

/// Whether a text has the form of a kind's name, known or not: a worker of tomorrow may know it.
pub(crate) fn is_kind(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "0198c0de-0000-7000-8000-000000000001";

    #[test]
    fn keys_are_told_apart_by_what_they_apply_to() {
        let tenant: TenantId = TENANT.parse().unwrap();
        for (text, scope) in [
            (format!("tenant:{TENANT}"), LimitScope::Tenant(tenant)),
            (
                format!("tenant:{TENANT}/send-reply"),
                LimitScope::TenantKind(tenant, "send-reply"),
            ),
            ("kind:send-reply".to_owned(), LimitScope::Kind("send-reply")),
            ("endpoint:7".to_owned(), LimitScope::Own),
            ("wa-number:49/30".to_owned(), LimitScope::Own),
        ] {
            assert_eq!(LimitKey::parse(&text).unwrap().scope(), scope, "{text}");
        }
    }

    #[test]
    fn a_tenants_id_is_written_as_the_engine_looks_for_it() {
        let key = LimitKey::parse(&format!("tenant:{}", TENANT.to_uppercase())).unwrap();
        assert_eq!(key.as_str(), format!("tenant:{TENANT}"));
    }

    #[test]
    fn wrong_keys_are_refused() {
        let long = format!("endpoint:{}", "x".repeat(300));
        for text in [
            "",
            "endpoint",
            ":7",
            "endpoint:",
            "tenant:7",
            "kind:",
            "kind:Send",
            "endpoint:a b",
            "tenant:0198c0de-0000-7000-8000-000000000001/",
            "a:\0",
            &long,
        ] {
            assert_eq!(LimitKey::parse(text).unwrap_err().field, "key", "{text}");
        }
    }
}
