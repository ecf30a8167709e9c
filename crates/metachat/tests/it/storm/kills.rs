//! What goes wrong inside: workers, and the API that only visitors know, are killed again and again
//! while answers are made.

use std::net::SocketAddr;

use rustix::process::Signal;

use super::visitors::Addresses;
use crate::process::{Process, until};
use crate::stage::{Api, Stage};

/// How many messages to customers there are when something is killed. Each of the conversations gets
/// one at least, so there are always enough.
const AT_ANSWERS: [i64; 6] = [3, 8, 13, 18, 23, 28];

const ANSWERS: &str = "SELECT count(*) FROM messages WHERE direction = 'outbound'";

/// The processes that may be killed.
pub(super) struct Doomed<'s> {
    stage: &'s Stage,
    steady: SocketAddr,
    addresses: &'s Addresses,
    workers: Vec<Process>,
    api: Api,
}

impl<'s> Doomed<'s> {
    /// Two workers, and an API beside the steady one.
    pub(super) async fn start(
        stage: &'s Stage,
        steady: SocketAddr,
        addresses: &'s Addresses,
    ) -> Self {
        let doomed = Self {
            stage,
            steady,
            addresses,
            workers: vec![worker(stage), worker(stage)],
            api: stage.patient_api("").await,
        };
        doomed.tell_addresses();
        doomed
    }

    fn tell_addresses(&self) {
        *self.addresses.lock().unwrap() = vec![self.steady, self.api.address()];
    }

    /// Kills one after the other, and starts another in its place.
    pub(super) async fn die(&mut self) {
        for (nth, answers) in AT_ANSWERS.into_iter().enumerate() {
            until("more is answered", || async {
                (self.stage.count(ANSWERS).await >= answers).then_some(())
            })
            .await;
            if nth % 2 == 0 {
                let killed = std::mem::replace(&mut self.workers[nth / 2 % 2], worker(self.stage));
                kill(killed).await;
            } else {
                let fresh = self.stage.patient_api("").await;
                let killed = std::mem::replace(&mut self.api, fresh);
                kill(killed.process).await;
                self.tell_addresses();
            }
        }
    }

    /// Ends what runs at last, in peace.
    pub(super) async fn drained(self) {
        for worker in self.workers {
            worker.drained().await;
        }
    }
}

async fn kill(process: Process) {
    process.signal(Signal::KILL);
    process.killed().await;
}

fn worker(stage: &Stage) -> Process {
    let variables = [
        ("METACHAT_OUTBOUND_ALLOW", "127.0.0.0/8"),
        // A report that takes longer means a message that goes out twice.
        ("METACHAT_SEND_RECONCILE_SECONDS", "10"),
    ];
    stage.start_with("worker", &variables)
}
