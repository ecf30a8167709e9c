use channels::{
    Begun, Connection, HttpAnswer, HttpRequest, MediaError, MediaStep, SendClass, SendError,
    check_hash,
};
use db::TenantTx;
use domain::{Media, MessageFileId, MessageFileState, MessageId, NormalizedContent, TenantId};
use fail::fail_point;
use files::Stored;
use futures::stream;
use jobs::kinds::FetchMedia;
use jobs::{DeadJob, Failure, JobHandle};
use store::channels as stored;
use store::message_files::{self, Fetched, NewMessageFile};
use store::messages;
use telemetry::trace::{Subject, note};

use crate::Assistant;
use crate::connections::{begin, connect, perform};

/// Notes the files of a message and has them fetched: the operator keeps them for a while only.
pub(super) async fn expect(
    tx: &mut TenantTx,
    message_id: MessageId,
    content: &NormalizedContent,
) -> Result<(), Failure> {
    for (nth, media) in content.body.media().enumerate() {
        let new = NewMessageFile {
            message_id,
            nth: i16::try_from(nth).unwrap_or(i16::MAX),
            media_kind: media.media_kind.as_str(),
            name: media.filename.as_deref(),
            media_type: media.mime_type.as_deref(),
        };
        let file_id = message_files::insert(tx, &new).await?;
        if media.id.is_none() && media.url.is_none() {
            let why = "the channel could not take the file in";
            message_files::mark_failed(tx, file_id, why).await?;
            continue;
        }
        let job = FetchMedia {
            tenant_id: tx.tenant(),
            file_id,
        };
        jobs::enqueue(tx, &job).await?;
    }
    Ok(())
}

/// What is to be fetched, and by what.
struct Wanted {
    connection: Box<dyn Connection>,
    media: Media,
}

/// A file as it is kept.
struct Come {
    kept: Stored,
    mime_type: Option<String>,
}

/// Why a file did not come.
enum Lost {
    /// The channel, its operator or the file itself.
    There(MediaError),
    /// Us: it is tried again.
    Here(files::Error),
}

impl From<MediaError> for Lost {
    fn from(error: MediaError) -> Self {
        Self::There(error)
    }
}

/// Fetches a file that a contact sent, checks that it is the announced one, and keeps it. It goes to
/// its place as it comes: no more than a piece of it is in memory.
///
/// # Errors
/// A retry for what may pass; what cannot is the file's `failed`.
pub async fn fetch(
    assistant: &Assistant,
    handle: &JobHandle,
    job: FetchMedia,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    let Some(wanted) = prepare(assistant, &job).await? else {
        return Ok(());
    };
    match come(assistant, job.tenant_id, &wanted).await {
        Ok(come) => keep(assistant, handle, &job, come).await,
        Err(Lost::There(error)) => settle_error(assistant, handle, &job, error).await,
        Err(Lost::Here(error)) => Err(Failure::retry(error)),
    }
}

async fn prepare(assistant: &Assistant, job: &FetchMedia) -> Result<Option<Wanted>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    let file = match message_files::get(&mut tx, job.file_id).await {
        Ok(file) => file,
        // Its message was deleted, or its contact erased.
        Err(db::Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if file.state != MessageFileState::Waiting {
        return Ok(None);
    }
    let message = messages::get(&mut tx, file.message_id).await?;
    note(Subject::Conversation, message.conversation_id);
    note(Subject::Message, message.id);
    let channel = stored::get(&mut tx, message.channel_id).await?;
    drop(tx);
    let content: NormalizedContent =
        serde_json::from_value(message.content).map_err(Failure::retry)?;
    let nth = usize::try_from(file.nth).unwrap_or_default();
    let media = content.body.media().nth(nth).cloned();
    let connection = connect(assistant, &channel).map_err(Failure::retry)?;
    Ok(media
        .zip(connection)
        .map(|(media, connection)| Wanted { connection, media }))
}

async fn come(assistant: &Assistant, tenant: TenantId, wanted: &Wanted) -> Result<Come, Lost> {
    let connection = wanted.connection.as_ref();
    let mut step = connection.fetch(&wanted.media)?;
    // An address lasts minutes: one that is over is asked for anew, once.
    for is_last in [false, true] {
        let address = match &step {
            MediaStep::Address(request) => {
                let answer = get(assistant, request).await?;
                connection.read_address(&answer)?
            }
            MediaStep::Bytes { .. } => step.clone(),
        };
        let MediaStep::Bytes {
            request,
            sha256,
            mime_type,
        } = address
        else {
            return Err(MediaError::Missing.into());
        };
        let begun = begin(assistant, &request).await.map_err(of_connection)?;
        if matches!(begun.status, 404 | 410) && !is_last {
            step = connection.fetch(&wanted.media)?;
            continue;
        }
        if !(200..300).contains(&begun.status) {
            return Err(MediaError::Refused(refused(begun.status)).into());
        }
        // The post announced it, and the address may have once more.
        let announced = [&wanted.media.sha256, &sha256];
        let kept = take_in(assistant, tenant, begun, request.max_answer_bytes).await?;
        for announced in announced {
            if let Err(error) = check_hash(&kept.sha256, announced.as_deref()) {
                delete(assistant, &kept).await;
                return Err(error.into());
            }
        }
        return Ok(Come { kept, mime_type });
    }
    Err(MediaError::Missing.into())
}

/// Keeps a file as it comes.
async fn take_in(
    assistant: &Assistant,
    tenant: TenantId,
    begun: Begun,
    max_bytes: usize,
) -> Result<Stored, Lost> {
    let own = usize::try_from(assistant.settings.max_upload_bytes).unwrap_or(usize::MAX);
    let max_bytes = max_bytes.min(own);
    let most = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    if begun.announced_bytes().is_some_and(|bytes| bytes > most) {
        return Err(MediaError::TooLarge { max_bytes }.into());
    }
    let body = stream::try_unfold(begun, async |mut begun: Begun| {
        let piece = begun.piece().await?;
        Ok::<_, outbound::Error>(piece.map(|piece| (piece, begun)))
    });
    let put = assistant.files.put_stream(tenant, body, most);
    put.await.map_err(|error| match error {
        files::Error::TooLarge { .. } => MediaError::TooLarge { max_bytes }.into(),
        files::Error::Cut(cause) => match cause.downcast::<outbound::Error>() {
            Ok(error) => of_connection(*error).into(),
            Err(cause) => Lost::Here(files::Error::Cut(cause)),
        },
        error => Lost::Here(error),
    })
}

fn of_connection(error: outbound::Error) -> MediaError {
    MediaError::Refused(SendError::of_connection(error))
}

/// Deletes a file that no row leads to.
async fn delete(assistant: &Assistant, kept: &Stored) {
    if let Err(error) = assistant.files.delete(&kept.key).await {
        tracing::warn!(%error, "a file that nobody needs could not be deleted");
    }
}

async fn get(assistant: &Assistant, request: &HttpRequest) -> Result<HttpAnswer, MediaError> {
    perform(assistant, request).await.map_err(of_connection)
}

fn refused(status: u16) -> SendError {
    let class = match status {
        408 | 425 | 429 | 500.. => SendClass::Retry { after: None },
        401 | 403 => SendClass::TokenDead,
        _ => SendClass::Permanent,
    };
    SendError {
        class,
        code: Some(i64::from(status)),
        subcode: None,
        message: format!("the file's address answered {status}"),
        source: None,
    }
}

async fn keep(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchMedia,
    come: Come,
) -> Result<(), Failure> {
    let kept = come.kept;
    let key = kept.key.to_string();
    let fetched = Fetched {
        file_key: &key,
        size_bytes: i64::try_from(kept.size_bytes).unwrap_or(i64::MAX),
        sha256: &kept.sha256,
        media_type: come.mime_type.as_deref(),
        at: assistant.clock.now(),
    };
    fail_point!("media.before_commit");
    let noted = note_stored(assistant, handle, job, &fetched).await;
    // What no row leads to is nobody's.
    if !matches!(noted, Ok(true)) {
        delete(assistant, &kept).await;
    }
    noted.map(|_| ())
}

async fn note_stored(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchMedia,
    fetched: &Fetched<'_>,
) -> Result<bool, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let news = message_files::mark_stored(&mut tx, job.file_id, fetched).await?;
    tx.commit().await?;
    Ok(news)
}

/// What an error means for the file and its job.
async fn settle_error(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchMedia,
    error: MediaError,
) -> Result<(), Failure> {
    if let MediaError::Refused(refused) = &error {
        match refused.class {
            SendClass::Retry { after: Some(after) } => {
                return Err(Failure::retry_after(after, error));
            }
            // Fetching again does no harm, so what nobody saw the end of is tried again as well, and
            // what a new token may open.
            SendClass::Retry { after: None }
            | SendClass::RetryFew
            | SendClass::PairLimit
            | SendClass::Throughput
            | SendClass::TokenDead
            | SendClass::Unknown => return Err(Failure::retry(error)),
            SendClass::WindowClosed
            | SendClass::Permanent
            | SendClass::OptedOut
            | SendClass::ChannelBlocked
            | SendClass::Config => {}
        }
    }
    let mut why = error.to_string();
    if let MediaError::Refused(refused) = &error {
        why = refused.to_string();
    }
    fail(assistant, handle, job.tenant_id, job.file_id, &why).await
}

async fn fail(
    assistant: &Assistant,
    handle: &JobHandle,
    tenant: TenantId,
    file: MessageFileId,
    why: &str,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    handle.fence(&mut tx).await?;
    message_files::mark_failed(&mut tx, file, why).await?;
    Ok(tx.commit().await?)
}

/// Makes the death of a fetch visible on its file, in the transaction that buries the job.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(_: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<FetchMedia>() else {
        return Ok(());
    };
    message_files::mark_failed(tx, job.file_id, &dead.reason).await
}
