use secrecy::SecretString;

use crate::section::section;

section! {
    /// The operator's keys.
    Keys, "Keys";

    /// The operator's own key to the API. Not set: made at the first start, printed once and kept in
    /// `admin.key` in the data folder.
    "METACHAT_ADMIN_KEY" => admin_key: Option<SecretString>,
        production "set it from your secret store.";

    /// The key that tenants' secrets are sealed under: 32 random bytes as base64 or hexadecimal, as
    /// `openssl rand -base64 32` prints. Several, separated by commas, to rotate: the first one seals,
    /// the others only open. Not set: made at the first start and kept in `master.key` in the data folder.
    "METACHAT_MASTER_KEY" => master_key: Option<SecretString>,
        production "set it from your secret store, the same for every process; without it nothing sealed opens.";
}
