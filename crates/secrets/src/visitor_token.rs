use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Keyring;

/// The first part of every token, decoded: nothing a token says of its own algorithm is believed.
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

const PURPOSE: &str = "visitor-token";

/// No token of ours is longer.
const MAX_BYTES: usize = 2048;

/// What the token of a web chat's visitor says, as the claims of a JSON Web Token (RFC 7519).
///
/// The token is signed with HS256 under a key derived from the [`Keyring`]'s, and while a key is
/// replaced both sign. It says who it is for; whether the session still runs is asked of its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorClaims {
    /// The session.
    #[serde(rename = "jti")]
    pub session: Uuid,
    /// The visitor.
    #[serde(rename = "sub")]
    pub visitor: String,
    /// The channel it is for.
    #[serde(rename = "aud")]
    pub channel: Uuid,
    /// When it was made, in seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// When it stops working, in seconds since 1970.
    #[serde(rename = "exp")]
    pub expires_at: i64,
}

/// The text is no token of ours, or its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is none of ours, or its time is over")]
pub struct InvalidVisitorToken;

impl VisitorClaims {
    /// Makes the token that says this.
    pub fn sign(&self, keyring: &Keyring) -> SecretString {
        let claims = serde_json::json!(self).to_string();
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let tag = keyring.sign(PURPOSE, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)).into()
    }

    /// Reads a token at a time, in seconds since 1970.
    ///
    /// The signature is checked before anything else is read, in a time that does not depend on
    /// where it differs.
    ///
    /// # Errors
    /// [`InvalidVisitorToken`].
    pub fn verify(token: &str, keyring: &Keyring, now: i64) -> Result<Self, InvalidVisitorToken> {
        if token.len() > MAX_BYTES {
            return Err(InvalidVisitorToken);
        }
        let (signed, tag) = token.rsplit_once('.').ok_or(InvalidVisitorToken)?;
        let (header, claims) = signed.split_once('.').ok_or(InvalidVisitorToken)?;
        if !keyring.is_signed(PURPOSE, signed.as_bytes(), &decode(tag)?) {
            return Err(InvalidVisitorToken);
        }
        let claims: Self =
            serde_json::from_slice(&decode(claims)?).map_err(|_| InvalidVisitorToken)?;
        if decode(header)? == HEADER && now < claims.expires_at {
            Ok(claims)
        } else {
            Err(InvalidVisitorToken)
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, InvalidVisitorToken> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| InvalidVisitorToken)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::{MasterKey, hmac_sha256};

    fn claims() -> VisitorClaims {
        VisitorClaims {
            session: Uuid::from_u128(1),
            visitor: "v".to_owned(),
            channel: Uuid::from_u128(2),
            issued_at: 100,
            expires_at: 200,
        }
    }

    #[test]
    fn a_token_is_a_jwt_that_works_until_its_end_under_either_key() {
        let old = MasterKey::generate();
        let token = claims().sign(&Keyring::new(old.clone(), Vec::new()));
        let token = token.expose_secret();
        let header = token.split('.').next().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(header).unwrap(), HEADER);
        let rotated = Keyring::new(MasterKey::generate(), vec![old]);
        assert_eq!(VisitorClaims::verify(token, &rotated, 199), Ok(claims()));
        for (keyring, now) in [
            (&rotated, 200),
            (&Keyring::new(MasterKey::generate(), Vec::new()), 199),
        ] {
            let read = VisitorClaims::verify(token, keyring, now);
            assert_eq!(read, Err(InvalidVisitorToken));
        }
    }

    #[test]
    fn what_was_changed_or_is_signed_otherwise_does_not_work() {
        let key = MasterKey::generate();
        let keyring = Keyring::new(key.clone(), Vec::new());
        let token = claims().sign(&keyring);
        let token = token.expose_secret();
        let [header, body, tag] = &token.split('.').collect::<Vec<_>>()[..] else {
            panic!("no three parts");
        };
        let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
        let longer = serde_json::json!(VisitorClaims {
            expires_at: 900,
            ..claims()
        });
        let longer = encode(&longer.to_string());
        let sealing = hmac_sha256(key.bytes(), &[format!("{header}.{body}").as_bytes()]);
        let sealing = URL_SAFE_NO_PAD.encode(sealing);
        let other = keyring.sign("another purpose", format!("{header}.{body}").as_bytes());
        let other = URL_SAFE_NO_PAD.encode(other);
        for wrong in [
            String::new(),
            "..".to_owned(),
            format!("{header}.{body}"),
            format!("{header}.{body}."),
            format!("{header}.{body}.{tag}A"),
            format!("{header}.{body}.{}", &tag[1..]),
            format!("{none}.{body}."),
            format!("{none}.{body}.{tag}"),
            format!("{header}.{longer}.{tag}"),
            format!("{header}.{body}.{sealing}"),
            format!("{header}.{body}.{other}"),
            format!("{token}.{tag}"),
            token.repeat(20),
        ] {
            let read = VisitorClaims::verify(&wrong, &keyring, 150);
            assert_eq!(read, Err(InvalidVisitorToken), "{wrong}");
        }
    }

    #[test]
    fn a_header_of_another_algorithm_is_refused_though_its_signature_fits() {
        let keyring = Keyring::new(MasterKey::generate(), Vec::new());
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = URL_SAFE_NO_PAD.encode(serde_json::json!(claims()).to_string());
        let signed = format!("{header}.{body}");
        let tag = URL_SAFE_NO_PAD.encode(keyring.sign(PURPOSE, signed.as_bytes()));
        let read = VisitorClaims::verify(&format!("{signed}.{tag}"), &keyring, 150);
        assert_eq!(read, Err(InvalidVisitorToken));
    }
}
