//! What the model is told besides the question: whose answers it gives, how, and what was said before.

use domain::TenantSettings;
use serde_json::Value;
use testkit::standin::OpenAiBehaviour;

use crate::stage::{Stage, settings};

/// What the model was asked last: the role and the words of each message.
fn asked(stage: &Stage) -> Vec<(String, String)> {
    let call = stage.model.received().pop().unwrap();
    let messages = call.body["messages"].as_array().unwrap().iter();
    let field = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    messages
        .map(|message| (field(message, "role"), field(message, "content")))
        .collect()
}

#[tokio::test]
async fn the_tenants_instructions_and_the_customers_language_are_asked_for_first() {
    let own = "Recommend the green tea. Never speak of prices.";
    let stage = Stage::start_with(TenantSettings {
        instructions: format!("  {own}\n"),
        ..settings()
    })
    .await;
    stage.say("Verkaufen Sie Tee?").await;
    stage.rest_in_peace().await;
    let asked = asked(&stage);
    let (role, words) = &asked[0];
    assert!(matches!(role.as_str(), "system" | "developer"), "{asked:?}");
    assert!(
        words.starts_with("You answer customers of Shop in a chat."),
        "{words}"
    );
    assert!(
        words.contains("Answer in the customer's language"),
        "{words}"
    );
    assert!(words.contains(&format!("\n\n{own}")), "{words}");
    let question = ("user".to_owned(), "Verkaufen Sie Tee?".to_owned());
    assert_eq!(asked.last(), Some(&question));
}

#[tokio::test]
async fn the_last_ten_messages_are_shown_unless_the_tenant_says_otherwise() {
    for (set, shown) in [(None, 10), (Some(3), 3), (Some(0), 0)] {
        let mut settings = settings();
        settings.history_messages = set.unwrap_or(settings.history_messages);
        let stage = Stage::start_with(settings).await;
        for nth in 1..=6 {
            let answer = format!("Answer {nth}.");
            stage.model.script([OpenAiBehaviour::text(&answer)]);
            stage.say(&format!("Question {nth}?")).await;
            stage.rest_in_peace().await;
        }
        stage.say("And the last one?").await;
        stage.rest_in_peace().await;
        let said: Vec<(String, String)> = (1..=6)
            .flat_map(|nth| {
                let question = ("user", format!("Question {nth}?"));
                [question, ("assistant", format!("Answer {nth}."))]
            })
            .map(|(role, words)| (role.to_owned(), words))
            .collect();
        let mut asked = asked(&stage);
        asked.retain(|(role, _)| role == "user" || role == "assistant");
        let (last, history) = asked.split_last().unwrap();
        assert_eq!(last.1, "And the last one?");
        // Of twelve, the oldest are left out.
        assert_eq!(history, &said[said.len() - shown..]);
        stage.end().await;
    }
}
