//! What fairness costs: jobs of a thousand tenants, one of them a whale, beside as many of one.

use super::kinds::Owned;
use super::{Scene, fill, run};
use crate::report::{Aim, Row, say};
use crate::stats::per_second;

/// Tenants beside the whale.
const SMALL_TENANTS: u32 = 999;

/// Measures both in turn.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let (whale, each) = scene.size.whale;
    let total = whale + usize::try_from(SMALL_TENANTS)? * each;
    let [mut many, mut one] = [Vec::new(), Vec::new()];
    for round in 0..scene.size.slow_rounds {
        // They take turns at who goes first.
        for turn in 0..2 {
            let of_many = (round + turn) % 2 == 0;
            let small_from = if of_many { whale } else { total };
            let jobs = (0..total).map(|n| Owned::of(tenant_of(n, small_from)));
            let rate = through_engine(scene, jobs, total).await?;
            let tenants = if of_many {
                "a thousand tenants"
            } else {
                "one tenant"
            };
            say(&format!("round {}: {tenants} {rate:.0} jobs/s", round + 1));
            if of_many { &mut many } else { &mut one }.push(rate);
        }
    }
    let row = Row::new("fairness_1000_tenants", "jobs/s", &many).beside(&one);
    let note = format!("{whale} jobs of one tenant and {each} each of 999, beside {total} of one");
    scene
        .report
        .push(row.aim(Aim::RatioAtLeast(0.8)).note(note));
    Ok(())
}

/// The whale's jobs stand first, as they would if it had just imported something.
fn tenant_of(n: usize, small_from: usize) -> u32 {
    let small = n
        .checked_sub(small_from)
        .map(|n| n % SMALL_TENANTS as usize);
    small.map_or(0, |n| u32::try_from(n + 1).unwrap_or(1))
}

async fn through_engine(
    scene: &Scene<'_>,
    jobs: impl Iterator<Item = Owned>,
    total: usize,
) -> anyhow::Result<f64> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    fill::many(db, jobs).await?;
    fill::settle(db).await?;
    Ok(per_second(total, run::time::<Owned>(db, total).await?))
}
