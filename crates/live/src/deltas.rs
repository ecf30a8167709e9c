use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::Db;
use domain::ConversationId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::publish::{json_len, utf16_len};
use crate::{LiveBody, LiveEvent, publish_now};

/// The shortest time between two pieces.
const PACE: Duration = Duration::from_millis(75);

/// A piece of that many bytes in JSON does not wait for the pace.
const FULL_BYTES: usize = 3_000;

/// Tells connected clients an answer while it is being written: what comes in is gathered to one
/// piece per 75 milliseconds, or per 3,000 bytes.
///
/// The first words go at once; what is still held when the value is dropped goes then.
#[derive(Debug)]
pub struct DeltaCoalescer {
    answer: Arc<Answer>,
    _timer: DropGuard,
}

impl DeltaCoalescer {
    /// Begins attempt number `attempt` at the answer of a turn.
    pub fn new(db: Db, conversation_id: ConversationId, turn: i64, attempt: u32) -> Self {
        let answer = Arc::new(Answer {
            db,
            conversation_id,
            turn,
            held: Mutex::new(Held {
                attempt,
                offset: 0,
                text: String::new(),
                bytes: 0,
                due: Instant::now(),
            }),
            waits: Notify::new(),
        });
        let shutdown = CancellationToken::new();
        let timer = tell_what_waits(Arc::clone(&answer));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(timer));
        Self {
            answer,
            _timer: shutdown.drop_guard(),
        }
    }

    /// Adds the next words of the answer.
    pub fn push(&self, text: &str) {
        self.answer.push(text);
    }

    /// Begins again as attempt number `attempt`: clients drop what they have of this answer.
    pub fn reset(&self, attempt: u32) {
        self.answer.reset(attempt);
    }

    /// Tells what is left: publish the whole message after it.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for DeltaCoalescer {
    fn drop(&mut self) {
        self.answer.tell(&mut self.answer.lock());
    }
}

/// The answer as it is being written.
#[derive(Debug)]
struct Answer {
    db: Db,
    conversation_id: ConversationId,
    turn: i64,
    held: Mutex<Held>,
    waits: Notify,
}

/// What nobody was told yet.
#[derive(Debug)]
struct Held {
    attempt: u32,
    /// How much was told of the attempt.
    offset: u64,
    text: String,
    /// How many bytes `text` takes in JSON.
    bytes: usize,
    /// When the next piece may go.
    due: Instant,
}

impl Answer {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: &str) {
        let mut held = self.lock();
        held.text.push_str(text);
        held.bytes += text.chars().map(json_len).sum::<usize>();
        if held.bytes >= FULL_BYTES || Instant::now() >= held.due {
            self.tell(&mut held);
        } else {
            self.waits.notify_one();
        }
    }

    fn tell(&self, held: &mut Held) {
        if held.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut held.text);
        let offset = held.offset;
        held.bytes = 0;
        held.offset += utf16_len(&text);
        held.due = Instant::now() + PACE;
        self.publish(LiveBody::AnswerDelta {
            turn: self.turn,
            attempt: held.attempt,
            offset,
            text,
        });
    }

    fn reset(&self, attempt: u32) {
        let mut held = self.lock();
        *held = Held {
            attempt,
            offset: 0,
            text: String::new(),
            bytes: 0,
            due: Instant::now(),
        };
        self.publish(LiveBody::begin_again(self.turn, attempt));
    }

    fn publish(&self, body: LiveBody) {
        publish_now(&self.db, &LiveEvent::new(self.conversation_id, body));
    }
}

/// Tells, once it is due, what no later push took along.
async fn tell_what_waits(answer: Arc<Answer>) {
    loop {
        answer.waits.notified().await;
        let due = answer.lock().due;
        sleep_until(due).await;
        let mut held = answer.lock();
        if Instant::now() >= held.due {
            answer.tell(&mut held);
        } else if !held.text.is_empty() {
            answer.waits.notify_one();
        }
    }
}
