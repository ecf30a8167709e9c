//! Tokens: a walk over a text tells of every char once, in order, and ends where the count does; what
//! is not white space weighs something, and an estimate grows with its text.
#![no_main]

use std::ops::ControlFlow;

use arbitrary::Arbitrary;
use fuzz::Text;
use libfuzzer_sys::fuzz_target;
use rag::chunk::{Step, TokenCounter, Tokenizer};

#[derive(Arbitrary, Debug)]
struct Input {
    text: Text,
    at: u16,
}

fuzz_target!(|input: Input| {
    let text = input.text.build(4000);
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    for tokenizer in [Tokenizer::Estimate, Tokenizer::Cl100k] {
        let counter = tokenizer.counter();
        let steps = walk(counter, &text, usize::MAX);
        let seen: Vec<(usize, char)> = steps.iter().map(|step| (step.byte, step.char)).collect();
        assert_eq!(seen, chars, "{tokenizer:?}");
        let count = counter.count(&text);
        assert_eq!(
            steps.last().map_or(0, |step| step.with),
            count,
            "{tokenizer:?}"
        );
        for pair in steps.windows(2) {
            assert_eq!(pair[0].with, pair[1].before, "{tokenizer:?} {pair:?}");
        }
        // Whoever has seen enough is told no more.
        let most = usize::from(input.at);
        let few = walk(counter, &text, most);
        assert_eq!(few.len(), chars.len().min(most.max(1)), "{tokenizer:?}");
        assert_eq!(few[..], steps[..few.len()]);
        // Each byte is a token at most.
        assert!(count <= text.len(), "{tokenizer:?} {count}");
    }
    let estimate = |text: &str| Tokenizer::Estimate.counter().count(text);
    let count = estimate(&text);
    assert_eq!(count == 0, text.trim().is_empty());
    if let Some((cut, _)) = chars.get(usize::from(input.at) % chars.len().max(1)) {
        let (before, after) = text.split_at(*cut);
        assert!(estimate(before) <= count, "it shrinks as it grows");
        assert!(
            estimate(before) + estimate(after) >= count,
            "the parts weigh less"
        );
    }
});

/// The first steps of a walk, at most `most` but at least one.
fn walk(counter: &dyn TokenCounter, text: &str, most: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    counter.walk(text, &mut |step| {
        steps.push(step);
        if steps.len() >= most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    steps
}
