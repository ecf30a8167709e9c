//! Which embedder a tenant gets.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::EmbeddingSettings;
use llm::{
    Embedder, Embedders, HashedNgrams, LocalModel, Models, PlatformEmbedding, PlatformProviders,
    Timeouts,
};
use outbound::Guard;
use secrecy::SecretString;
use testkit::raw::{Seen, Server};
use url::Url;

/// OpenAI with everything else as it is by default.
pub(crate) fn openai() -> EmbeddingSettings {
    EmbeddingSettings {
        provider: "openai".to_owned(),
        ..EmbeddingSettings::default()
    }
}

fn models(key: Option<&str>, url: Option<Url>) -> Arc<Models> {
    let platform = PlatformProviders {
        openai_api_key: key.map(Into::into),
        openai_base_url: url,
        ..PlatformProviders::default()
    };
    let guard = Guard::new(["127.0.0.0/8".parse().unwrap()]);
    Arc::new(Models::new(platform, &guard, Timeouts::default()).unwrap())
}

fn platform(provider: &str) -> PlatformEmbedding {
    PlatformEmbedding {
        settings: EmbeddingSettings {
            provider: provider.to_owned(),
            ..EmbeddingSettings::default()
        },
        local: LocalModel {
            folder: "/nonexistent/model".into(),
            at_a_time: NonZeroUsize::MIN,
        },
    }
}

/// Embedders of a platform with a key, whose OpenAI is at `url`.
pub(crate) fn embedders_at(url: Option<Url>) -> Embedders {
    Embedders::new(models(Some("sk-platform"), url), &platform("")).unwrap()
}

#[test]
fn the_platform_takes_the_best_there_is() {
    let with_key = embedders_at(None);
    let platform_has = with_key.platform();
    assert_eq!(platform_has.key(), "openai/text-embedding-3-small/1536");
    let without = Embedders::new(models(None, None), &platform("")).unwrap();
    assert_eq!(without.platform().model(), HashedNgrams.model());
    let tenants = with_key.for_tenant(None, None).unwrap();
    assert!(Arc::ptr_eq(&tenants, platform_has));
}

#[test]
fn what_is_named_and_not_there_is_told() {
    for (provider, said) in [
        ("acme", "no such provider is known"),
        ("openai", "needs an API key"),
        ("local", "local cannot be used"),
    ] {
        let error = Embedders::new(models(None, None), &platform(provider));
        let error = error.err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
    let unknown = EmbeddingSettings {
        model: "bge-m3".to_owned(),
        ..openai()
    };
    let error = embedders_at(None).for_tenant(Some(&unknown), None);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("bge-m3 has is not known"), "{error}");
}

#[test]
fn a_provider_with_another_model_is_not_used_in_its_place() {
    let embedders = embedders_at(None);
    let builtin = |model: &str, dimensions: u32| EmbeddingSettings {
        model: model.to_owned(),
        dimensions: dimensions.try_into().ok(),
        ..EmbeddingSettings::default()
    };
    let own = builtin(HashedNgrams.model(), 256);
    assert!(embedders.for_tenant(Some(&own), None).is_ok());
    for other in [builtin("hashed-ngrams-0", 256), builtin("", 128)] {
        let error = embedders.for_tenant(Some(&other), None).err().unwrap();
        let error = error.to_string();
        assert!(error.contains("its model is hashed-ngrams-1"), "{error}");
    }
}

#[test]
fn the_same_settings_and_key_give_the_same_embedder() {
    let embedders = embedders_at(None);
    let get = |settings: &EmbeddingSettings, key: &str| {
        let key = SecretString::from(key.to_owned());
        embedders.for_tenant(Some(settings), Some(key)).unwrap()
    };
    let large = EmbeddingSettings {
        model: "text-embedding-3-large".to_owned(),
        ..openai()
    };
    let one = get(&large, "a");
    assert_eq!(one.dimensions(), 3072);
    assert!(Arc::ptr_eq(&one, &get(&large, "a")));
    assert!(!Arc::ptr_eq(&one, &get(&large, "b")));
    assert!(!Arc::ptr_eq(&one, &get(&openai(), "a")));
}

#[tokio::test]
async fn a_tenants_server_gets_the_tenants_key_or_none() {
    let answer = r#"{"data":[{"embedding":[1]}]}"#;
    let responses = vec![Server::response("200 OK", "", answer); 2];
    let mut server = Server::start(responses).await;
    let embedders = embedders_at(None);
    let settings = EmbeddingSettings {
        model: "bge-m3".to_owned(),
        dimensions: 1.try_into().ok(),
        base_url: Some(server.url.clone()),
        ..openai()
    };
    for (key, header) in [
        (None, None),
        (Some("sk-own"), Some("authorization: bearer sk-own")),
    ] {
        let key = key.map(SecretString::from);
        let embedder = embedders.for_tenant(Some(&settings), key).unwrap();
        assert_eq!(embedder.key(), format!("openai/bge-m3/1@{}", server.url));
        embedder.embed(&["text".to_owned()]).await.unwrap();
        let Seen::Request(head, _) = server.seen().await else {
            panic!("no request");
        };
        let sent = head.lines().find(|line| line.starts_with("authorization"));
        assert_eq!(sent, header);
    }
}

#[test]
fn one_for_everybody_is_what_everybody_gets() {
    let embedders = Embedders::only(Arc::new(HashedNgrams));
    let got = embedders.for_tenant(Some(&openai()), None).unwrap();
    assert_eq!(got.provider(), "builtin");
}
