//! For whom a tenant's keys were given.

use domain::TenantSettings;
use store::tenants::TenantSecrets;
use url::{Origin, Url};

use crate::payload::Checks;

/// Which keys a change names, be it to set them or to take them away.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub(super) struct Named {
    pub(super) llm: bool,
    pub(super) embedding: bool,
    pub(super) rerank: bool,
    /// The secret of the moderation service, which is never sent: it stays at another address.
    pub(super) moderation: bool,
}

/// A provider, and where it is; `None`: at its own address.
type Receiver = (String, Option<Origin>);

/// Whom the keys that settings have one of go to.
#[derive(Debug)]
pub(super) struct Receivers {
    llm: Receiver,
    embedding: Option<Receiver>,
    /// `None`: nobody, as long as there is no address.
    rerank: Option<Origin>,
}

impl Receivers {
    pub(super) fn of(settings: &TenantSettings) -> Self {
        let receiver =
            |provider: &String, url: Option<&Url>| (provider.clone(), url.map(Url::origin));
        let (llm, embedding) = (&settings.llm, settings.embedding.as_ref());
        Self {
            llm: receiver(&llm.provider, llm.base_url.as_ref()),
            embedding: embedding.map(|it| receiver(&it.provider, it.base_url.as_ref())),
            rerank: settings.retrieval.rerank_url.as_ref().map(Url::origin),
        }
    }

    /// Takes away each key that would go to somebody else by `settings` than it was given for.
    ///
    /// Who may change settings may not read keys: an address of theirs must not get one. A key that
    /// the change names is for whom the change names.
    pub(super) fn keep_to(
        &self,
        settings: &TenantSettings,
        named: Named,
        secrets: &mut TenantSecrets,
    ) {
        let now = Self::of(settings);
        if !named.llm && now.llm != self.llm {
            secrets.llm_api_key = None;
        }
        if !named.embedding && now.embedding != self.embedding {
            secrets.embedding_api_key = None;
        }
        if !named.rerank && now.rerank != self.rerank {
            secrets.rerank_api_key = None;
        }
    }
}

/// Notes a key for nobody: it would go to whatever address is set next.
pub(super) fn check_receivers(
    settings: &TenantSettings,
    secrets: &TenantSecrets,
    named: Named,
    checks: &mut Checks,
) {
    let is_for_nobody = secrets.rerank_api_key.is_some() && settings.retrieval.rerank_url.is_none();
    checks.require(
        !(named.rerank && is_for_nobody),
        "settings.retrieval.rerank_api_key",
        "is set together with rerank_url, the address that it is for",
    );
}
