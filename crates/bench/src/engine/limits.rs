use db::Db;
use jobs::Job as _;
use jobs::control::{LimitKey, LimitValues, set_limit};

use super::kinds::Keyed;

/// The limit key that every job of the measure `keys` carries.
pub(super) const KEY: &str = "bench:keys";

/// Puts limits on the jobs of the measure `keys`: a rate and a number of runs on their kind and on
/// the key they carry. They are far above what the jobs need, so that only their cost is measured.
///
/// # Errors
/// Those of the database.
pub(super) async fn limits_on(db: &Db) -> anyhow::Result<()> {
    let values = LimitValues {
        rate_per_second: Some(100_000.0),
        burst: Some(1_000_000),
        concurrency: Some(100_000),
        weight: None,
    };
    let mut tx = db.system().await?;
    for key in [
        LimitKey::parse(KEY),
        LimitKey::parse(&format!("kind:{}", Keyed::KIND)),
    ] {
        set_limit(&mut tx, &key?, values).await?;
    }
    Ok(tx.commit().await?)
}
