use std::collections::BTreeSet;
use std::time::Duration;

use db::TenantTx;
use domain::{ChunkId, DocumentId, TenantId};
use fail::fail_point;
use jobs::kinds::{EmbedChunk, TendIndex};
use jobs::{Failure, JobHandle};
use store::chunk_embeddings::{self, Run, Unembedded};
use store::embedding_sets::{self, EmbeddingSet, SetStatus};
use store::{chunks, documents};

use super::stopped::Stopped;
use super::vectors::{Vectors, vectors_so_far};
use super::{news, sets};
use crate::{Assistant, TenantProfile};

/// The most chunks of a version that was replaced, deleted by one statement.
const DELETE_BATCH: i64 = 500;

/// How long a run waits that the model before cannot embed any more, until the next one is live.
const SWITCH_PAUSE: Duration = Duration::from_secs(10);

/// Embeds one run of chunks, for the live set and for one that is being built; whichever run is the
/// last makes the version visible, or the set live.
///
/// # Errors
/// A retry for what may pass.
pub async fn embed(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
) -> Result<(), Failure> {
    let work = Work::load(assistant, job.tenant_id, &[job]).await?;
    let (mut lost, mut is_building) = (None, false);
    for (set, runs) in &work.sets {
        let run = runs.first().map_or(&[][..], Vec::as_slice);
        match work.embed_for(assistant, handle, job, set, run).await {
            // A model that was chosen and refuses leaves the documents as they are found today.
            Err(Failure::Dead(reason)) if set.status == SetStatus::Building => {
                tracing::warn!(tenant.id = %job.tenant_id, model = set.model, %reason,
                    "the vectors of another model cannot be made");
            }
            Err(Failure::Dead(reason)) => lost = Some(reason),
            embedded => {
                embedded?;
                is_building |= set.status == SetStatus::Building;
            }
        }
    }
    match lost {
        None => Ok(()),
        // The old model's server or key is gone, and what is embedded is found after the switch.
        Some(_) if is_building => Err(Failure::snooze(
            SWITCH_PAUSE,
            "the vectors of another model are being made",
        )),
        Some(reason) => Err(Failure::Dead(reason)),
    }
}

/// What is to be embedded for a tenant, as it stood at one moment.
struct Work {
    tenant: TenantId,
    profile: TenantProfile,
    /// What it is part of.
    versions: BTreeSet<(DocumentId, i32)>,
    /// The live set and the one being built, each with the chunks of every run that have no vector
    /// in it.
    sets: Vec<(EmbeddingSet, Vec<Vec<Unembedded>>)>,
}

impl Work {
    async fn load(
        assistant: &Assistant,
        tenant: TenantId,
        jobs: &[&EmbedChunk],
    ) -> Result<Self, Failure> {
        let mut tx = assistant.db.tenant(tenant).await?;
        let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
        let mut sets = Vec::new();
        for set in sets::active(assistant, &mut tx).await? {
            let mut runs = Vec::with_capacity(jobs.len());
            for job in jobs {
                let run = Run {
                    document_id: job.document_id,
                    version: job.version,
                    first: job.first,
                    count: job.count,
                };
                runs.push(chunk_embeddings::list_unembedded(&mut tx, set.id, run).await?);
            }
            sets.push((set, runs));
        }
        tx.commit().await?;
        let versions = jobs.iter().map(|job| (job.document_id, job.version));
        Ok(Self {
            tenant,
            profile,
            versions: versions.collect(),
            sets,
        })
    }

    async fn embed_for(
        &self,
        assistant: &Assistant,
        handle: &JobHandle,
        job: &EmbedChunk,
        set: &EmbeddingSet,
        run: &[Unembedded],
    ) -> Result<(), Failure> {
        handle.check_lease()?;
        let vectors = self.vectors(assistant, set, texts(run)).await?;
        let stopped = vectors.stopped.as_ref();
        self.show_waiting(assistant, set, stopped).await?;
        let vectors = vectors.whole()?;
        keep(assistant, set, vec![Made::of(handle, job, run, vectors)]).await
    }

    async fn vectors(
        &self,
        assistant: &Assistant,
        set: &EmbeddingSet,
        texts: Vec<String>,
    ) -> Result<Vectors, Failure> {
        if texts.is_empty() {
            return Ok(Vectors {
                made: Vec::new(),
                stopped: None,
            });
        }
        let embedder = sets::embedder_for(assistant, &self.profile, set)?;
        let budget = self.profile.settings.budget;
        vectors_so_far(assistant, self.tenant, budget, &*embedder, &texts).await
    }

    /// Whether each run finds out by itself what it means that vectors were not made.
    fn is_for_each_alone(&self, stopped: &Stopped) -> bool {
        stopped.may_be_of_one_text() || (stopped.is_final() && self.sets.len() > 1)
    }

    /// Shows the documents' owner what their vectors wait for, if they do.
    async fn show_waiting(
        &self,
        assistant: &Assistant,
        set: &EmbeddingSet,
        stopped: Option<&Stopped>,
    ) -> Result<(), Failure> {
        // No document waits for a set that is being built, nor for one that goes.
        let is_shown = |stopped: &&Stopped| {
            set.status == SetStatus::Live && !(stopped.is_final() && self.sets.len() > 1)
        };
        let stopped = stopped.filter(is_shown);
        let Some(because) = stopped.and_then(Stopped::waits_for) else {
            return Ok(());
        };
        let mut tx = assistant.db.tenant(self.tenant).await?;
        for (document, version) in &self.versions {
            documents::set_waiting(&mut tx, *document, *version, &because).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Embeds several runs of one tenant together, in as few calls of the model as can be. `None` for
/// a run that is better embedded by itself: a text was refused, and nobody knows of which run.
///
/// # Errors
/// What stopped all of them, and is better found out by each.
pub async fn embed_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &EmbedChunk)],
) -> Result<Vec<Option<Result<(), Failure>>>, Failure> {
    let Some((_, first)) = jobs.first() else {
        return Ok(Vec::new());
    };
    let tenant = first.tenant_id;
    let mut results: Vec<_> = jobs.iter().map(|_| Some(Ok(()))).collect();
    let payloads: Vec<&EmbedChunk> = jobs.iter().map(|(_, job)| *job).collect();
    let work = Work::load(assistant, tenant, &payloads).await?;
    for (set, runs) in &work.sets {
        for (handle, _) in jobs {
            handle.check_lease()?;
        }
        let all = runs.iter().flat_map(|run| texts(run)).collect();
        let vectors = work.vectors(assistant, set, all).await?;
        let mut made = vectors.made.into_iter();
        let (mut kept, mut whole) = (Vec::new(), Vec::new());
        for (at, ((handle, job), run)) in jobs.iter().zip(runs).enumerate() {
            let own: Vec<_> = made.by_ref().take(run.len()).collect();
            let own: Option<Vec<_>> = own.into_iter().collect();
            if !matches!(results[at], Some(Ok(()))) {
                continue;
            }
            match (own, &vectors.stopped) {
                (Some(own), _) => {
                    kept.push(at);
                    whole.push(Made::of(handle, job, run, own));
                }
                (None, Some(stopped)) if !work.is_for_each_alone(stopped) => {
                    results[at] = Some(Err(stopped.failure()));
                }
                (None, _) => results[at] = None,
            }
        }
        if keep(assistant, set, whole).await.is_err() {
            // Whose fault it was, each finds out for itself.
            for at in kept {
                results[at] = None;
            }
        }
        // After whatever went on was shown.
        let stopped = vectors.stopped.as_ref();
        work.show_waiting(assistant, set, stopped).await?;
    }
    Ok(results)
}

/// What a model gets to see of each chunk.
fn texts(run: &[Unembedded]) -> Vec<String> {
    run.iter()
        .map(|chunk| text_for_model(chunk.heading.as_deref(), &chunk.text))
        .collect()
}

/// A chunk as a model gets to see it: with the headings it stands under.
pub(super) fn text_for_model(heading: Option<&str>, text: &str) -> String {
    match heading {
        Some(heading) => format!("{heading}\n{text}"),
        None => text.to_owned(),
    }
}

/// The vectors of one run.
struct Made<'a> {
    handle: &'a JobHandle,
    job: &'a EmbedChunk,
    rows: Vec<(ChunkId, Vec<f32>)>,
}

impl<'a> Made<'a> {
    /// Of one vector for each chunk of `run`.
    fn of(
        handle: &'a JobHandle,
        job: &'a EmbedChunk,
        run: &[Unembedded],
        vectors: Vec<Vec<f32>>,
    ) -> Self {
        let rows = run.iter().map(|chunk| chunk.id).zip(vectors).collect();
        Self { handle, job, rows }
    }
}

/// Stores the vectors of runs of one tenant, all or none, and switches what is whole by that.
async fn keep(
    assistant: &Assistant,
    set: &EmbeddingSet,
    made: Vec<Made<'_>>,
) -> Result<(), Failure> {
    let Some(tenant) = made.first().map(|first| first.job.tenant_id) else {
        return Ok(());
    };
    let mut versions: Vec<(DocumentId, i32)> = Vec::new();
    for Made { job, .. } in &made {
        if !versions.contains(&(job.document_id, job.version)) {
            versions.push((job.document_id, job.version));
        }
    }
    if made.iter().any(|made| !made.rows.is_empty()) {
        let mut tx = assistant.db.tenant(tenant).await?;
        let mut rows = Vec::new();
        for made in made {
            made.handle.fence(&mut tx).await?;
            rows.extend(made.rows);
        }
        // In one order, so that two who embed the same run do not wait for each other in a circle.
        rows.sort_unstable_by_key(|(id, _)| id.as_uuid());
        // As it stands now: it may have been retired, or be indexed, since it was looked at.
        let active = embedding_sets::hold_active(&mut tx).await?;
        if let Some(set) = active.iter().find(|other| other.id == set.id) {
            chunk_embeddings::insert_many(&mut tx, set, rows).await?;
        }
        tx.commit().await?;
    }
    fail_point!("embed.before_switch");
    if set.status == SetStatus::Building {
        switch_set(assistant, tenant).await?;
    }
    // Of a set that was being built, too: somebody may have made it the live one since it was looked
    // at, and then these were the last vectors that its newest versions lacked.
    for (document, version) in versions {
        switch_if_whole(assistant, tenant, document, version).await?;
    }
    Ok(())
}

/// Makes the set that is being built the live one, once it has a vector for whatever searches see.
async fn switch_set(assistant: &Assistant, tenant: TenantId) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let switched = embedding_sets::switch_set(&mut tx).await?;
    tx.commit().await?;
    if switched {
        tracing::info!(tenant.id = %tenant, "searches use the vectors of another model");
        tend_soon(assistant, tenant).await?;
    }
    Ok(())
}

/// Makes the version the one that searches see, once every chunk of it has its vector in the live
/// set; the older one leaves in batches.
///
/// The document's row lock lets one look after the other, each after what it brings is committed: a
/// run's vectors, or that all is written. So whoever looks last sees all of it. The hold on the live
/// set keeps it the live one until the commit.
pub(super) async fn switch_if_whole(
    assistant: &Assistant,
    tenant: TenantId,
    document: DocumentId,
    version: i32,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    if documents::hold(&mut tx, document).await?.is_some()
        && documents::is_written(&mut tx, document, version).await?
    {
        switch_held(assistant, tx, document, version).await?;
    }
    Ok(())
}

/// The same in a transaction that holds the document and has seen that all is written; commits it.
pub(super) async fn switch_held(
    assistant: &Assistant,
    mut tx: TenantTx,
    document: DocumentId,
    version: i32,
) -> db::Result<()> {
    let tenant = tx.tenant();
    let Some(unembedded) = count_unembedded(&mut tx, document, version).await? else {
        return tx.commit().await;
    };
    if unembedded > 0 {
        documents::set_remaining(&mut tx, document, version, unembedded).await?;
        return tx.commit().await;
    }
    let counts = chunks::count_version(&mut tx, document, version).await?;
    let switched = documents::switch_version(
        &mut tx,
        document,
        version,
        counts.chunk_count,
        counts.term_count,
    )
    .await?;
    if switched {
        news::tell_ready(assistant, &mut tx, document).await?;
    }
    tx.commit().await?;
    if switched {
        tracing::info!(document.id = %document, version, chunks = counts.chunk_count,
            "a document can be searched");
        tend_soon(assistant, tenant).await?;
    }
    loop {
        let mut tx = assistant.db.tenant(tenant).await?;
        let deleted = chunks::delete_outdated(&mut tx, document, DELETE_BATCH).await?;
        tx.commit().await?;
        if deleted < DELETE_BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// How many chunks of the version have no vector in the live set, which is held until the commit;
/// `None`: there is no live set.
async fn count_unembedded(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> db::Result<Option<i64>> {
    let active = embedding_sets::hold_active(tx).await?;
    let Some(live) = active.iter().find(|set| set.status == SetStatus::Live) else {
        return Ok(None);
    };
    let missing = chunk_embeddings::count_unembedded(tx, live.id, document, version).await?;
    Ok(Some(missing))
}

/// In a transaction of its own: the lock on the tenant's key would let one switch wait for the other.
async fn tend_soon(assistant: &Assistant, tenant_id: TenantId) -> db::Result<()> {
    let mut tx = assistant.db.tenant(tenant_id).await?;
    jobs::enqueue(&mut tx, &TendIndex { tenant_id }).await?;
    tx.commit().await
}
