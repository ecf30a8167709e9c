use super::*;

const RETURNS: &str = "Returns and refunds\n\
    You can send back any unused item within 30 days of delivery. Refunds reach your account\n\
    within five working days after the parcel has reached us. Items on sale are excluded from\n\
    this. The cost of the return shipment is borne by the customer.";
const SHOP: &str = "Opening hours\n\
    Monday to Friday: 9:00 to 18:30\nSaturday: 10:00 to 14:00\n\n\
    Our shop stands at 12 Rue Mercière in Lyon. We are closed on public holidays.\n\n\
    Do you repair bicycles?\nYes, we repair all common makes. A repair takes about a week. A repair costs 40 euros.";
const SHIPPING: &str = "Parcels to Germany cost €4.90 and arrive in 2 to 3 working days. Express \
    shipping costs 12.50 euros. It arrives on the next working day. We do not ship to Norway. \
    We accept the following payments:\n- Visa and Mastercard\n- PayPal\n- bank transfer";

/// Questions, how the answer starts, and its source.
const ANSWERED: &[(&str, &str, u32)] = &[
    (
        "How long do I have to return an item?",
        "You can send back any unused item",
        1,
    ),
    (
        "When do I get my refund?",
        "Refunds reach your account within five",
        1,
    ),
    (
        "Who pays for the return shipment?",
        "The cost of the return shipment",
        1,
    ),
    (
        "Can I return items that were on sale?",
        "Items on sale are excluded",
        1,
    ),
    (
        "What are your opening hours?",
        "Opening hours: Monday to Friday: 9:00",
        2,
    ),
    ("are you open on saturday", "Saturday: 10:00 to 14:00", 2),
    (
        "Do you repair bikes and bicycles?",
        "Yes, we repair all common makes.",
        2,
    ),
    (
        "Where is your shop located?",
        "Our shop stands at 12 Rue",
        2,
    ),
    (
        "How much does delivery to Germany cost?",
        "Parcels to Germany cost €4.90",
        3,
    ),
    (
        "How much is express shipping?",
        "Express shipping costs 12.50",
        3,
    ),
    ("How much is repairing?", "A repair costs 40", 2),
    ("Do you ship to Norway?", "We do not ship to Norway.", 3),
    (
        "What payments do you accept?",
        "We accept the following payments: Visa",
        3,
    ),
    (
        "Hello, I bought a lamp last week and my wife hates it, can I return the lamp unused?",
        "You can send back any unused item",
        1,
    ),
    (
        "Was kostet der Versand nach Germany?",
        "Parcels to Germany cost €4.90",
        3,
    ),
];

fn ask(question: &str) -> Vec<(String, u32)> {
    let passage = |number, title: &str, text: &str| SourcePassage {
        number,
        title: title.to_owned(),
        page: None,
        text: text.to_owned(),
        score: 1.0 / f64::from(number),
    };
    let sources = [
        passage(1, "returns.pdf", RETURNS),
        passage(2, "shop.pdf", SHOP),
        passage(3, "shipping.pdf", SHIPPING),
    ];
    let quotes = extract(question, &sources);
    quotes
        .into_iter()
        .map(|quote| (quote.text, quote.number))
        .collect()
}

#[test]
fn the_sentence_that_answers_is_quoted() {
    for &(question, start, number) in ANSWERED {
        let answer = ask(question);
        let (text, from) = answer.first().cloned().unwrap_or_default();
        assert!(
            text.starts_with(start) && from == number,
            "{question}: {answer:?}"
        );
    }
}

#[test]
fn what_the_sources_do_not_say_is_not_answered() {
    for question in [
        "Who is the president of France?",
        "Do you sell motor boats?",
        "What is the capital of Norway?",
        "How do I reset my password?",
        "hello",
        "",
        "???",
    ] {
        assert_eq!(ask(question), [], "{question}");
    }
    assert_eq!(extract("What are your opening hours?", &[]), []);
}

#[test]
fn every_question_of_a_turn_is_answered_with_its_own_source() {
    let answer = ask("Do you ship to Norway?\nAnd when do I get my refund?");
    let numbers: Vec<u32> = answer.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [3, 1], "{answer:?}");
}

#[test]
fn a_sentence_that_points_back_brings_the_one_before() {
    let answer = ask("What arrives on the next working day?");
    assert_eq!(
        answer,
        [(
            "Express shipping costs 12.50 euros. It arrives on the next working day.".to_owned(),
            3
        )]
    );
}

#[test]
fn a_passage_without_an_end_is_cut_at_a_word() {
    let text = shortened(&"word ".repeat(400));
    assert!(
        text.chars().count() <= LONGEST_UNIT + 1 && text.ends_with("word…"),
        "{text}"
    );
}
