use proptest::prelude::*;

use super::*;

/// Markdown, and what WhatsApp shows alike.
const CASES: &[(&str, &str)] = &[
    ("plain text", "plain text"),
    ("a **bold** word", "a *bold* word"),
    ("a __bold__ word, ~~gone~~", "a *bold* word, ~gone~"),
    (
        "an *italic* and an _italic_ word",
        "an _italic_ and an _italic_ word",
    ),
    (
        "***both***, **bold *and* italic**",
        "_*both*_, *bold _and_ italic*",
    ),
    ("# Opening **hours**", "*Opening hours*"),
    ("### Deep ###\ntext", "*Deep*\ntext"),
    ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
    (
        "see [our page](https://x.example/a)",
        "see our page (https://x.example/a)",
    ),
    (
        "[**us**](https://x.example \"title\")",
        "*us* (https://x.example)",
    ),
    (
        "[https://x.example](https://x.example) <https://y.example>",
        "https://x.example https://y.example",
    ),
    (
        "[x.example](https://x.example) <a@x.example>",
        "https://x.example a@x.example",
    ),
    ("[click](javascript:alert(1))", "click"),
    ("![](https://x.example/i.png)", "https://x.example/i.png"),
    (
        "![a cat](https://x.example/i.png)",
        "a cat (https://x.example/i.png)",
    ),
    ("* one\n  * two\n- three", "- one\n  - two\n- three"),
    (
        "1. one\n2. two\n   more\n\n   again",
        "1. one\n2. two\n  more\n\n  again",
    ),
    ("7) seven\n8) eight", "7. seven\n8. eight"),
    ("- [x] done\n- [ ] open", "- [x] done\n- [ ] open"),
    (
        "> quoted\n> **twice**\n\nand on",
        "> quoted\n> *twice*\n\nand on",
    ),
    ("`**code**` stays", "`**code**` stays"),
    (
        "```rust\nlet a = **b;\n\n  c\n```\nend",
        "```\nlet a = **b;\n\n  c\n```\nend",
    ),
    ("**bold\nover lines**", "*bold*\n*over lines*"),
    ("#hashtag", "#hashtag"),
    (
        "2 ** 3 ** 4, 2*3*4, snake_case_name",
        "2 ** 3 ** 4, 2*3*4, snake_case_name",
    ),
    ("a**b**c", "abc"),
    ("**open [x](y", "**open [x](y"),
    ("[1] and (2) [3]", "[1] and (2) [3]"),
    (
        "It is so [1].\n\n[1]: Returns\n[2]: <x>",
        "It is so [1].\n\n[1]: Returns\n[2]: <x>",
    ),
    (
        "- [1]: Returns\n- [2]: <x>\n\n> [3]: Delivery\n\n7) [4]: b",
        "- [1]: Returns\n- [2]: <x>\n\n> [3]: Delivery\n\n7. [4]: b",
    ),
    (
        "[a\nlabel]: words\n\n- [ ] [a]: b",
        "[a\nlabel]: words\n\n- [ ] [a]: b",
    ),
    ("# a\r[1]: b", "*a*\n[1]: b"),
    ("    a\n\rb\r\n\r\nc", "a\nb\n\nc"),
    ("größe **ä**", "größe *ä*"),
    ("Vec<String> &amp; a < b<br>c", "Vec<String> & a < b\nc"),
    ("a\n\n---\n\nb", "a\n\n---\n\nb"),
    (
        "|Day|Hours|\n|---|---|\n|Mon|9 to 5|\n|Sun|closed|",
        "*Day* | *Hours*\nMon | 9 to 5\nSun | closed",
    ),
    ("", ""),
];

#[test]
fn markdown_becomes_whatsapp_markup() {
    for (markdown, markup) in CASES {
        assert_eq!(render(markdown, &WHATSAPP), *markup, "{markdown}");
    }
}

#[test]
fn markdown_becomes_plain_text() {
    let cases = [
        (
            "# Hours\n\nWe **open** at *nine*, ~~ten~~",
            "Hours\n\nWe open at nine, ten",
        ),
        (
            "- `a`\n- [us](https://x.example)",
            "- a\n- us (https://x.example)",
        ),
        ("```\ncode *x*\n```", "code *x*"),
        ("|A|B|\n|-|-|\n|1|2|", "A | B\n1 | 2"),
        (
            "|A|B|C|\n|-|-|-|\n|1|\n|2||3|\n||4||\n\nEnd",
            "A | B | C\n1\n2 |  | 3\n | 4\n\nEnd",
        ),
        ("2*3*4", "2*3*4"),
    ];
    for (markdown, plain) in cases {
        assert_eq!(render(markdown, &PLAIN), plain, "{markdown}");
    }
}

#[test]
fn hostile_markdown_takes_linear_room() {
    for pattern in [
        "**[`", "> ", "* ", "![", "[a](", "<a", "|a", "~~", "1. ", "&#", "\n> a", "- a\n ",
    ] {
        let text = pattern.repeat(20_000);
        for marks in [&WHATSAPP, &PLAIN] {
            let room = render(&text, marks).len();
            assert!(room <= 8 * text.len(), "{pattern:?}: {room} bytes");
        }
    }
    let deep = format!("{}{}", "> ".repeat(5000), "lazy\n".repeat(5000));
    let (names, rule) = ("|a".repeat(2000), "|-".repeat(2000));
    let wide = format!("{names}\n{rule}\n{}", "|b\n".repeat(2000));
    for text in [deep, wide] {
        let room = render(&text, &WHATSAPP).len();
        assert!(room <= 8 * text.len(), "{text:.20}: {room} bytes");
    }
}

proptest! {
    #[test]
    fn words_are_never_lost(text in "[a-c *_~`\\[\\]()>#|\n!.:-]{0,120}") {
        let words = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
        for marks in [&WHATSAPP, &PLAIN] {
            let rendered = render(&text, marks);
            // A link's address may stand after its words, or alone; a fence's language is dropped,
            // and so are the cells of a row that its table has no column for.
            let is_whole = ["](", "```", "~~~", "|"].iter().all(|mark| !text.contains(mark));
            if is_whole {
                prop_assert_eq!(words(&rendered), words(&text));
            }
        }
    }

    #[test]
    fn any_text_is_rendered(text in any::<String>()) {
        render(&text, &WHATSAPP);
        render(&text, &PLAIN);
    }
}
