//! Settings of channels as tenants write them: what is taken is taken again when it is read back,
//! changes nothing when nothing changes, and connects; no secret stands among what may be shown.
#![no_main]

use channels::{channel, merge, parse};
use domain::ChannelKind;
use fuzz::{holds_nul, platform};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|body: &[u8]| {
    let Ok(config) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    for kind in ChannelKind::ALL {
        let parsed = match parse(*kind, config.clone()) {
            Ok(parsed) => parsed,
            Err(errors) => {
                assert!(!errors.is_empty());
                continue;
            }
        };
        assert!(!holds_nul(&parsed.public), "{kind}");
        let again = merge(*kind, json!({}), &parsed.public, parsed.secrets.as_ref());
        assert_eq!(again.as_ref(), Ok(&parsed), "{kind}");
        let channel = channel(*kind);
        channel
            .connect(&parsed.public, parsed.secrets.as_ref(), &platform())
            .expect("what was checked connects");
        channel
            .keys(parsed.secrets.as_ref())
            .expect("what was checked has keys");
        let secrets = parsed.secrets.as_ref().and_then(Value::as_object);
        for secret in secrets.into_iter().flat_map(|all| all.values()) {
            let is_shown = |shown: &Value| shown == secret && shown.is_string();
            let public = parsed
                .public
                .as_object()
                .into_iter()
                .flat_map(|all| all.values());
            let repeated = config.as_object().map_or(0, |all| {
                all.values().filter(|value| *value == secret).count()
            });
            assert!(repeated > 1 || !public.into_iter().any(is_shown), "{kind}");
        }
    }
});
