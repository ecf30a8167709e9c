//! Every provider with every way to the documents, with a person and without: as many tenants at
//! once, each with settings, a number and a document of its own, served by one API and one worker.

use std::fmt::Write as _;

use serde_json::{Value, json};
use testkit::standin::{
    AnthropicServer, ModelReply, OllamaServer, OpenAiOptions, Sender, TextMessage, WhatsappClient,
    WhatsappPost,
};

use crate::http::Http;
use crate::process::until;
use crate::shop::id;
use crate::stage::Stage;

const APP_SECRET: &str = "the-shops-own-app-secret";
const PROVIDERS: [&str; 4] = ["openai", "anthropic", "ollama", "builtin"];
const MODES: [&str; 3] = ["off", "context", "tool"];
const QUESTION: &str = "At what hour does the shop open in the morning?";
const ASK_FOR_A_PERSON: &str = "I want to talk to a human please";

/// One tenant of the matrix.
struct Shop {
    name: String,
    provider: &'static str,
    mode: &'static str,
    hands_off: bool,
    tenant: String,
    number: String,
    channel: String,
    /// What stands in its document and nowhere else, and what that is called.
    fact: String,
    file: String,
}

impl Shop {
    async fn open(
        http: &Http,
        nth: usize,
        provider: &'static str,
        mode: &'static str,
        hands_off: bool,
    ) -> Self {
        let name = format!("{provider}, {mode}, {hands_off}");
        let settings = json!({
            "settle_ms": 0, "rag": mode, "llm": {"provider": provider},
            "handoff": {"on_words": hands_off, "text": format!("A person of shop {nth} comes.")},
        });
        let body = json!({"name": name, "settings": settings});
        let tenant = id(&http.post("/api/tenants", &body).await.expect(201));
        let number = format!("1065403522429{nth:02}");
        let channel = json!({"type": "whatsapp", "name": "Shop", "config": {
            "phone_number_id": number, "access_token": "EAAG-token", "app_secret": APP_SECRET,
        }});
        let path = format!("/api/tenants/{tenant}/channels");
        let channel = id(&http.post(&path, &channel).await.expect(201));
        let fact = format!("Shop number {nth} opens at {nth} hundred hours in the morning.");
        let file = format!("hours-of-shop-{nth}.txt");
        let path = format!("/api/tenants/{tenant}/documents");
        let document = id(&http.upload(&path, &file, fact.as_bytes()).await.expect(202));
        until("the document is read", || async {
            let document = http.get(&format!("{path}/{document}")).await.expect(200);
            (document["status"] == "ready").then_some(())
        })
        .await;
        Self {
            name,
            provider,
            mode,
            hands_off,
            tenant,
            number,
            channel,
            fact,
            file,
        }
    }

    async fn write(&self, http: &Http, text: &str) {
        let url = format!("{}/webhooks/whatsapp/{}", http.base(), self.channel);
        let meta = WhatsappClient::new(&url, APP_SECRET).unwrap();
        let message = TextMessage::new(Sender::phone("33612345678", "Ada"), text);
        let post = WhatsappPost::to_number(&self.number).text(&message);
        assert_eq!(meta.post(&post).await.unwrap(), 200);
    }

    /// The conversation, once it has so many messages to the customer that were sent.
    async fn answered(&self, http: &Http, answers: usize) -> (Value, Vec<Value>) {
        until(&format!("{answers} answers of {}", self.name), || async {
            let path = format!("/api/tenants/{}/conversations", self.tenant);
            let found = http.get(&path).await.expect(200);
            let conversation = found["data"].as_array().unwrap().first()?.clone();
            let path = format!("{path}/{}/messages", id(&conversation));
            let messages = http.get(&path).await.expect(200)["data"]
                .as_array()
                .unwrap()
                .clone();
            let sent = messages
                .iter()
                .filter(|message| message["status"] == "sent");
            (sent.count() == answers).then_some((conversation, messages))
        })
        .await
    }

    /// A person has the conversation where the shop hands off, and the machine answers elsewhere.
    async fn see_who_has_it(&self, http: &Http, nth: usize) {
        let (conversation, messages) = self.answered(http, 2).await;
        let last = messages.last().unwrap();
        let (status, author) = if self.hands_off {
            let text = format!("A person of shop {nth} comes.");
            assert_eq!(last["text"], text, "{}", self.name);
            ("assigned_human", "system")
        } else {
            ("open", "assistant")
        };
        assert_eq!(conversation["status"], status, "{}", self.name);
        assert_eq!(last["author"], author, "{}: {last}", self.name);
    }

    /// What is wrong with the answer to the question.
    fn judge(&self, answer: &Value) -> Result<(), String> {
        let text = answer["text"].as_str().unwrap();
        // A stand-in quotes the head of the first source, the built-in answerer its words.
        let knows = text.contains(&self.fact) || text.contains(&self.file);
        let is_wanted = self.mode != "off";
        if answer["author"] != "assistant" {
            return Err(format!("by {}", answer["author"]));
        }
        if knows != is_wanted {
            return Err(format!("{text:?} of {:?}", self.fact));
        }
        // What another shop says never comes up.
        let is_anothers = text.contains("Shop number") || text.contains("hours-of-shop");
        if is_anothers && !knows {
            return Err(format!("another's: {text:?}"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn process_every_provider_with_every_way_to_documents_and_people() {
    let stage = Stage::new().await;
    stage.model.otherwise(ModelReply::SearchFirst);
    let anthropic = AnthropicServer::start(OpenAiOptions::default())
        .await
        .unwrap();
    anthropic.otherwise(ModelReply::SearchFirst);
    let ollama = OllamaServer::start(OpenAiOptions::default()).await.unwrap();
    ollama.otherwise(ModelReply::SearchFirst);
    let api = stage.api().await;
    let worker = stage.start_with(
        "worker",
        &[
            ("METACHAT_ANTHROPIC_BASE_URL", &anthropic.base_url()),
            ("METACHAT_ANTHROPIC_API_KEY", "sk-ant-the-platforms"),
            ("METACHAT_OLLAMA_URL", &ollama.base_url()),
        ],
    );
    let mut shops = Vec::new();
    for provider in PROVIDERS {
        for mode in MODES {
            for hands_off in [false, true] {
                let nth = shops.len() + 1;
                shops.push(Shop::open(&api.http, nth, provider, mode, hands_off).await);
            }
        }
    }
    // All at once: whoever answers has to keep them apart.
    for shop in &shops {
        shop.write(&api.http, QUESTION).await;
    }
    let mut wrong = String::new();
    for shop in &shops {
        let (_, messages) = shop.answered(&api.http, 1).await;
        if let Err(why) = shop.judge(&messages[1]) {
            writeln!(wrong, "{}: {why}", shop.name).unwrap();
        }
    }
    assert_eq!(wrong, "");
    for shop in &shops {
        shop.write(&api.http, ASK_FOR_A_PERSON).await;
    }
    for (nth, shop) in shops.iter().enumerate() {
        shop.see_who_has_it(&api.http, nth + 1).await;
    }
    // Each provider was asked by its own shops alone: 3 ways, a search more in one of them, and a
    // second answer for those that hand nothing off.
    let asked = |provider: &str| {
        let own = shops.iter().filter(|shop| shop.provider == provider);
        own.map(|shop| {
            let of_one = if shop.mode == "tool" { 2 } else { 1 };
            of_one * if shop.hands_off { 1 } else { 2 }
        })
        .sum::<usize>()
    };
    assert_eq!(chats(&stage.model.received()), asked("openai"));
    assert_eq!(chats(&anthropic.received()), asked("anthropic"));
    assert_eq!(chats(&ollama.received()), asked("ollama"));
    worker.drained().await;
}

/// How many of the requests were for answers.
fn chats(calls: &[testkit::standin::ModelCall]) -> usize {
    let of_answers = calls.iter().filter(|call| call.body["messages"].is_array());
    of_answers.count()
}
