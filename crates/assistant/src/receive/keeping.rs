//! Keeping posts: those that wait at the same moment share a transaction, and its wait for the disk.
//!
//! A post that finds no transaction on its way begins one at once; what comes while one is on its way
//! is written by the next. Transactions are tasks of their own, so that a caller who goes away takes
//! nobody along.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, SystemTx};
use fail::fail_point;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::gathering::{Gathering, SettledPost, Told, Turn, Waiting};
use super::settled;
use crate::Error;

/// For how long a transaction keeps the next one from beginning: one that stands at a lock or at a
/// slow disk holds up nobody for longer.
const LONGEST_TURN: Duration = Duration::from_millis(20);

/// Keeps a post, each of its items with its job: all, or none. It is kept whether or not its caller
/// stays to hear of it, if it was taken up before that went away.
///
/// # Errors
/// Those of the database; `Unavailable` also if too many posts wait.
pub(super) async fn keep(db: &Db, post: SettledPost) -> Result<(), Error> {
    if post.items.is_empty() {
        return Ok(());
    }
    let gathering = Gathering::of(db);
    let told = gathering.join(post).ok_or_else(db::Error::busy)?;
    fail_point!("intake.waiting");
    if let Some(turn) = gathering.turn() {
        begin(db, turn);
    }
    match told.await {
        Ok(Told::Kept) => Ok(()),
        Ok(Told::Away(error)) => Err(error.into()),
        Ok(Told::Alone(post)) => {
            let mut tx = db.system().await?;
            settled::keep(&mut tx, &post.items).await?;
            Ok(commit(tx).await?)
        }
        Err(gone) => Err(Error::broken("the transaction of a post", gone)),
    }
}

/// One transaction on its way.
struct Round {
    db: Db,
    /// Until another may begin.
    turn: Option<Turn>,
}

fn begin(db: &Db, turn: Turn) {
    let round = Round {
        db: db.clone(),
        turn: Some(turn),
    };
    // Without a runtime everything ends; the turn tells those who wait.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(round.run());
    }
}

impl Round {
    async fn run(mut self) {
        let begun = self.db.system_shared().await;
        let Some(turn) = &mut self.turn else {
            return;
        };
        let tx = match begun {
            Ok(tx) => tx,
            Err(error) => return tell_failed(turn.take_all(), error),
        };
        // What came while it began goes along.
        let mut writing = Box::pin(write(tx, turn.take()));
        let is_over = tokio::time::timeout(LONGEST_TURN, &mut writing).await;
        if is_over.is_err() {
            self.pass_on();
            writing.await;
        }
    }

    fn pass_on(&mut self) {
        if let Some(next) = self.turn.take().and_then(Turn::pass_on) {
            begin(&self.db, next);
        }
    }
}

impl Drop for Round {
    /// However it ends, the next one begins.
    fn drop(&mut self) {
        self.pass_on();
    }
}

/// Writes posts in one transaction, and tells their callers.
async fn write(mut tx: SystemTx, waiting: Vec<Waiting>) {
    if waiting.is_empty() {
        return;
    }
    let written = async {
        keep_all(&mut tx, &waiting).await?;
        commit(tx).await
    };
    match written.await {
        Ok(()) => {
            for one in waiting {
                tell(one.caller, Told::Kept);
            }
        }
        Err(error) => tell_failed(waiting, error),
    }
}

async fn keep_all(tx: &mut SystemTx, waiting: &[Waiting]) -> db::Result<()> {
    if let [Waiting { post, .. }] = waiting {
        let keeping = settled::keep(tx, &post.items);
        return match post.scope.clone() {
            Some(scope) => scope.run(keeping).await,
            None => keeping.await,
        };
    }
    let posts = waiting.iter().map(|Waiting { post, .. }| {
        let trace = post.scope.as_ref().map(telemetry::trace::Scope::context);
        (&post.items[..], trace)
    });
    settled::keep_together(tx, posts).await
}

async fn commit(tx: SystemTx) -> db::Result<()> {
    fail_point!("intake.before_commit");
    tx.commit().await?;
    fail_point!("intake.after_commit");
    Ok(())
}

/// Tells callers that nothing of theirs was kept: what the server refused may be the fault of one of
/// them, or of a lock that one of them needs, and each finds out alone.
fn tell_failed(waiting: Vec<Waiting>, error: db::Error) {
    if error.is_refusal() {
        tracing::warn!(error = ?error, posts = waiting.len(), "posts are kept one by one");
        for Waiting { post, caller } in waiting {
            tell(caller, Told::Alone(post));
        }
        return;
    }
    let error = Arc::new(error);
    for Waiting { caller, .. } in waiting {
        tell(caller, Told::Away(db::Error::of_all(&error)));
    }
}

fn tell(caller: oneshot::Sender<Told>, told: Told) {
    // One who went away does not want to know.
    caller.send(told).ok();
}
