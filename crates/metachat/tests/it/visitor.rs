//! A customer of a web chat who behaves: keeps their place, says again what was not acknowledged,
//! and holds every connection to what the protocol promises.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use testkit::socket_io::{Failure, Heard, SocketIo};

use crate::http::Http;
use crate::process::PATIENCE;

/// A visitor with a session, connected or not.
pub(crate) struct Visitor {
    token: String,
    conversation: Value,
    connection: Option<SocketIo>,
    /// What was written: the client's id and the words, oldest first.
    pub(crate) written: Vec<(String, String)>,
    /// Which of them were acknowledged, by their place.
    acknowledged: BTreeSet<usize>,
    /// Whether the server once had no time for a message: those behind it may come before it then.
    was_refused: bool,
    /// Every message that was heard, each as it was heard last.
    pub(crate) heard: Vec<Value>,
    /// The answer that is being written, as its pieces show it.
    draft: Draft,
}

/// An answer that grows.
#[derive(Debug, Default, PartialEq)]
struct Draft {
    turn: i64,
    attempt: u64,
    text: String,
}

impl Visitor {
    /// A visitor who opens a session in a chat.
    pub(crate) async fn arrive(http: &Http, channel: &str) -> Self {
        let path = format!("/api/webchat/{channel}/sessions");
        let session = http.post(&path, &json!({})).await.expect(201);
        Self {
            token: session["token"].as_str().unwrap().to_owned(),
            conversation: Value::Null,
            connection: None,
            written: Vec::new(),
            acknowledged: BTreeSet::new(),
            was_refused: false,
            heard: Vec::new(),
            draft: Draft::default(),
        }
    }

    /// Writes; the words leave with [`Visitor::say`].
    pub(crate) fn write(&mut self, text: &str) {
        let client_id = format!("c{}", self.written.len());
        self.written.push((client_id, text.to_owned()));
    }

    /// Connects from where they are, and says what was not acknowledged; false if the server is
    /// gone or has no room.
    pub(crate) async fn connect(&mut self, server: SocketAddr) -> bool {
        let auth = json!({
            "token": self.token, "after": self.after(), "conversation_id": self.conversation,
        });
        self.connection = None;
        match SocketIo::connect(server, "/webchat", &auth).await {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(refusal)) => {
                let passes = ["too_many_connections", "unavailable"];
                assert!(passes.contains(&&*refusal), "{refusal}");
            }
            Err(_) => {}
        }
        self.connection.is_some() && self.say().await.is_ok()
    }

    /// Says all that was not acknowledged, at once and each twice, as a client may that is not sure.
    pub(crate) async fn say(&mut self) -> Result<(), Failure> {
        if let Some(connection) = &mut self.connection {
            for (nth, (client_id, text)) in self.written.iter().enumerate() {
                if self.acknowledged.contains(&nth) {
                    continue;
                }
                let message = json!({"text": text, "client_id": client_id});
                for _ in 0..2 {
                    connection.emit("message", &message).await?;
                }
            }
        }
        Ok(())
    }

    /// The `seq` of the last message they have.
    fn after(&self) -> i64 {
        let last = self.heard.last();
        last.map_or(0, |last| last["seq"].as_i64().unwrap())
    }

    /// Lets go of the connection, without a word.
    pub(crate) fn cut(&mut self) {
        self.connection = None;
    }

    /// Hears until `enough`, coming back to `server` whenever the connection is gone.
    pub(crate) async fn hear_until(
        &mut self,
        what: &str,
        server: SocketAddr,
        enough: impl Fn(&Self) -> bool + Send + Sync,
    ) {
        let listening = async {
            while !enough(self) {
                if self.connection.is_none() && !self.connect(server).await {
                    self.cut();
                    tokio::task::yield_now().await;
                    continue;
                }
                self.hear().await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        assert!(heard.is_ok(), "never heard: {what}; {:#?}", self.heard);
    }

    /// Hears until the connection breaks.
    pub(crate) async fn hear_on(&mut self) {
        while self.connection.is_some() {
            self.hear().await;
        }
    }

    /// Hears until the connection breaks, as it does soon where the server is killed.
    pub(crate) async fn hear_the_end(&mut self) {
        let heard = tokio::time::timeout(PATIENCE, self.hear_on()).await;
        assert!(heard.is_ok(), "the connection never broke");
    }

    /// Hears what comes next; without a connection after it, if that is gone.
    async fn hear(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        match connection.next().await {
            Ok(Some(Heard::Event(name, data))) => self.take(&name, data),
            Ok(Some(Heard::Ack(_, ack))) => self.take_ack(&ack),
            Ok(Some(Heard::Disconnect) | None) | Err(_) => self.cut(),
        }
    }

    fn take_ack(&mut self, ack: &Value) {
        if ack["ok"] != true {
            assert_eq!(ack["error"]["code"], "unavailable", "{ack}");
            self.was_refused = true;
            self.cut();
            return;
        }
        let of = |(client_id, _): &(String, String)| ack["client_id"] == **client_id;
        let nth = self.written.iter().position(of).unwrap();
        // Each is acknowledged as often as it was said, and in the order in which it was.
        let is_in_order = self.was_refused || (0..nth).all(|it| self.acknowledged.contains(&it));
        assert!(is_in_order, "{ack} before those it follows");
        self.acknowledged.insert(nth);
    }

    fn take(&mut self, event: &str, data: Value) {
        match event {
            "conversation" => {
                let id = data["conversation_id"].clone();
                let known = std::mem::replace(&mut self.conversation, id);
                assert!(known.is_null() || known == self.conversation, "{data}");
            }
            "message" => {
                assert_eq!(
                    data["seq"],
                    self.after() + 1,
                    "lost, doubled or late: {data}"
                );
                self.heard.push(data);
            }
            "status" => {
                let of = |message: &&mut Value| message["id"] == data["message_id"];
                let told = self.heard.iter_mut().find(of).unwrap();
                told["status"] = data["status"].clone();
            }
            "answer.delta" => self.take_piece(&data),
            _ => {}
        }
    }

    /// Keeps a piece of an answer as the documentation says.
    fn take_piece(&mut self, piece: &Value) {
        let at = |field: &str| piece[field].as_u64().unwrap();
        let turn = piece["turn"].as_i64().unwrap();
        if (turn, at("attempt")) > (self.draft.turn, self.draft.attempt) {
            self.draft = Draft {
                turn,
                attempt: at("attempt"),
                text: String::new(),
            };
        }
        let is_current = (turn, at("attempt")) == (self.draft.turn, self.draft.attempt);
        let length = self.draft.text.encode_utf16().count();
        if is_current && u64::try_from(length).unwrap() == at("offset") {
            self.draft.text.push_str(piece["text"].as_str().unwrap());
        }
    }

    /// What they see of the answer that is being written, and to which turn.
    pub(crate) fn draft(&self) -> (i64, &str) {
        (self.draft.turn, &self.draft.text)
    }

    /// Whether none of the answers is still on its way, as far as they were told.
    pub(crate) fn has_all_settled(&self) -> bool {
        let on_the_way = ["queued", "sending", "unknown"].map(Value::from);
        self.is_answered()
            && self
                .of("outbound")
                .all(|it| !on_the_way.contains(&it["status"]))
    }

    /// Whether they have an answer to all that they wrote.
    pub(crate) fn is_answered(&self) -> bool {
        let turn_of = |direction: &str| {
            let mut messages = self.heard.iter().rev();
            let last = messages.find(|message| message["direction"] == direction);
            last.map_or(0, |last| last["turn"].as_i64().unwrap())
        };
        self.of("inbound").count() == self.written.len()
            && self.acknowledged.len() == self.written.len()
            && turn_of("outbound") >= turn_of("inbound")
    }

    /// The messages that went one way.
    pub(crate) fn of(&self, direction: &str) -> impl Iterator<Item = &Value> {
        let heard = self.heard.iter();
        heard.filter(move |message| message["direction"] == direction)
    }

    /// Each of their messages is there once, in the order they wrote them, and has one answer that
    /// comes after it: the machine's own words to it, or the tenant's for when there are none.
    pub(crate) fn see_one_answer_each(&self) {
        let mut own: Vec<(&str, &str)> = self
            .of("inbound")
            .map(|own| {
                (
                    own["client_id"].as_str().unwrap(),
                    own["text"].as_str().unwrap(),
                )
            })
            .collect();
        let written: Vec<(&str, &str)> = self
            .written
            .iter()
            .map(|(client_id, text)| (&**client_id, &**text))
            .collect();
        if self.was_refused {
            own.sort_unstable();
        }
        assert_eq!(own, written);
        let number = |message: &Value, field: &str| message[field].as_i64().unwrap();
        let mut settled = 0;
        for answer in self.of("outbound") {
            let turn = number(answer, "turn");
            assert!(
                turn > settled,
                "two answers to turn {turn}: {:#?}",
                self.heard
            );
            let asked: Vec<&Value> = self
                .of("inbound")
                .filter(|own| (settled + 1..=turn).contains(&number(own, "turn")))
                .collect();
            let last = asked.last().unwrap();
            assert!(number(last, "seq") < number(answer, "seq"), "{answer}");
            if answer["author"] == "assistant" {
                let (said, asked) = (answer["text"].as_str().unwrap(), last["text"].as_str());
                assert!(said.starts_with("Answer to: "), "{answer}");
                assert!(said.ends_with(asked.unwrap()), "{answer} to {last}");
            } else {
                assert_eq!(answer["author"], "system", "{answer}");
                assert_ne!(answer["text"], "", "{answer}");
            }
            settled = turn;
        }
        assert!(self.is_answered(), "{:#?}", self.heard);
    }

    /// Somebody else's window of the same chat, opened now, shows the same messages.
    pub(crate) async fn see_the_same_anew(&self, server: SocketAddr) {
        let mut anew = Self {
            token: self.token.clone(),
            conversation: Value::Null,
            connection: None,
            written: self.written.clone(),
            acknowledged: (0..self.written.len()).collect(),
            was_refused: false,
            heard: Vec::new(),
            draft: Draft::default(),
        };
        let all = self.heard.len();
        anew.hear_until("everything once more", server, |anew| {
            anew.heard.len() == all
        })
        .await;
        assert_eq!(anew.heard, self.heard);
    }
}
