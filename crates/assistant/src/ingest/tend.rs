//! Tends what searches read, once documents have changed.

use db::TenantTx;
use jobs::kinds::TendIndex;
use jobs::{Failure, JobHandle};
use rag::keyword;
use store::chunk_embeddings::{self, has_index};
use store::embedding_sets::{self, EmbeddingSet, IndexStatus};

use super::sets;
use crate::Assistant;

/// From how many numbers in all its vectors on a tenant's set stands in an index, such as 15,600
/// vectors of 384: below it measuring every one takes some 20 milliseconds at most, and misses none.
const INDEX_FROM: i64 = 6_000_000;
/// Below how many they are taken out again: in an index of many tenants' vectors the few of a small
/// one are hard to find.
const INDEX_UNTIL: i64 = 3_000_000;
/// How many vectors a transaction puts into an index; about a second.
const INDEX_BATCH: i64 = 500;
/// How many vectors of retired sets a transaction deletes.
const DELETE_BATCH: i64 = 1000;
/// How many tenants are looked after by one call.
const TENANTS: i64 = 10_000;

/// Tends a tenant's indexes: begins a set for another model, merges the keyword index, deletes
/// retired vectors, fills the index of vectors or empties it.
///
/// # Errors
/// A retry for what may pass.
pub async fn tend(
    assistant: &Assistant,
    handle: &JobHandle,
    job: TendIndex,
) -> Result<(), Failure> {
    let tending = Tending {
        assistant,
        handle,
        job,
    };
    while tending.merge().await? {}
    while tending.delete_retired().await? {}
    tending.tend_vectors().await?;
    // Last: settings that lead to no embedder are no reason to leave the rest undone.
    tending.change_model().await
}

/// Has the vectors made anew by the model that the tenant chose just now.
///
/// # Errors
/// Those of the database.
pub async fn change_embedder(tx: &mut TenantTx) -> db::Result<()> {
    let tenant_id = tx.tenant();
    jobs::enqueue(tx, &TendIndex { tenant_id }).await?;
    Ok(())
}

/// Enqueues a [`TendIndex`] for every tenant that needs one.
///
/// # Errors
/// Those of the database.
pub async fn tend_all(assistant: &Assistant) -> db::Result<()> {
    let maker = sets::maker(&**assistant.embedders.platform(), None);
    let mut tx = assistant.db.system().await?;
    let tenants = embedding_sets::list_untended(&mut tx, &maker, TENANTS).await?;
    tx.commit().await?;
    for tenant_id in tenants {
        let mut tx = assistant.db.tenant(tenant_id).await?;
        jobs::enqueue(&mut tx, &TendIndex { tenant_id }).await?;
        tx.commit().await?;
    }
    Ok(())
}

struct Tending<'a> {
    assistant: &'a Assistant,
    handle: &'a JobHandle,
    job: TendIndex,
}

impl Tending<'_> {
    /// A transaction that only the holder of the job's lease can commit.
    async fn begin(&self) -> Result<TenantTx, Failure> {
        let mut tx = self.assistant.db.tenant(self.job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        Ok(tx)
    }

    async fn change_model(&self) -> Result<(), Failure> {
        let mut tx = self.begin().await?;
        sets::begin_if_changed(self.assistant, &mut tx).await?;
        // A tenant without documents has nothing to build, and no job that would end in a switch.
        embedding_sets::switch_set(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    async fn merge(&self) -> Result<bool, Failure> {
        let mut tx = self.begin().await?;
        let merged = keyword::merge(&mut tx).await?;
        tx.commit().await?;
        Ok(merged)
    }

    async fn delete_retired(&self) -> Result<bool, Failure> {
        let mut tx = self.begin().await?;
        let deleted = embedding_sets::delete_retired(&mut tx, DELETE_BATCH).await?;
        tx.commit().await?;
        Ok(deleted >= DELETE_BATCH.unsigned_abs())
    }

    async fn tend_vectors(&self) -> Result<(), Failure> {
        let mut tx = self.begin().await?;
        let Some(set) = embedding_sets::count_live(&mut tx).await? else {
            return Ok(());
        };
        let (is_absent, is_wanted) = (set.index_status == IndexStatus::Absent, wants_index(&set));
        if is_wanted && is_absent {
            embedding_sets::set_index_status(&mut tx, set.id, IndexStatus::Filling).await?;
        } else if !is_wanted && !is_absent {
            // Searches measure every vector from here on.
            embedding_sets::set_index_status(&mut tx, set.id, IndexStatus::Absent).await?;
        }
        tx.commit().await?;
        if is_wanted && set.index_status != IndexStatus::Ready {
            return self.fill(&set).await;
        }
        if !is_wanted && !is_absent {
            return self.empty(&set).await;
        }
        Ok(())
    }

    async fn fill(&self, set: &EmbeddingSet) -> Result<(), Failure> {
        loop {
            let mut tx = self.begin().await?;
            let count = chunk_embeddings::index_some(&mut tx, set, INDEX_BATCH).await?;
            let is_full = count < INDEX_BATCH.unsigned_abs();
            if is_full {
                embedding_sets::set_index_status(&mut tx, set.id, IndexStatus::Ready).await?;
            }
            tx.commit().await?;
            if is_full {
                tracing::info!(
                    set.id,
                    chunks = set.chunk_count,
                    "the index of vectors is filled"
                );
                return Ok(());
            }
        }
    }

    async fn empty(&self, set: &EmbeddingSet) -> Result<(), Failure> {
        loop {
            let mut tx = self.begin().await?;
            let count = chunk_embeddings::unindex_some(&mut tx, set, INDEX_BATCH).await?;
            tx.commit().await?;
            if count < INDEX_BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

/// Whether a set's vectors belong into an index.
fn wants_index(set: &EmbeddingSet) -> bool {
    let least = if set.index_status == IndexStatus::Absent {
        INDEX_FROM
    } else {
        INDEX_UNTIL
    };
    let numbers = set.chunk_count.saturating_mul(set.dimensions.into());
    has_index(set.dimensions) && numbers >= least
}

#[cfg(test)]
mod tests {
    use store::embedding_sets::SetStatus;

    use super::*;

    #[test]
    fn a_set_is_indexed_while_it_is_large() {
        for (chunk_count, dimensions, index_status, expected) in [
            (15_624, 384, IndexStatus::Absent, false),
            (15_625, 384, IndexStatus::Absent, true),
            (10_000, 384, IndexStatus::Ready, true),
            (7_812, 384, IndexStatus::Filling, false),
            (4_000, 1536, IndexStatus::Absent, true),
            (1_000_000, 300, IndexStatus::Absent, false),
        ] {
            let set = EmbeddingSet {
                id: 1,
                provider: "builtin".to_owned(),
                model: "m".to_owned(),
                dimensions,
                embedder: Some("builtin/m".to_owned()),
                base_url: None,
                status: SetStatus::Live,
                chunk_count,
                index_status,
            };
            assert_eq!(wants_index(&set), expected, "{set:?}");
        }
    }
}
