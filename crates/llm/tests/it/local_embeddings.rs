//! A model in a folder, made by the test: two layers, sixteen dimensions, a dozen words.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use llm::{Embedder, Error, LocalEmbeddings, LocalModel};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const HIDDEN: usize = 16;
const INNER: usize = 32;
const LAYERS: usize = 2;
const WORDS: [&str; 12] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "returns", "are", "free", "for", "parcels", "arrive", "by",
    "bicycle",
];
/// How many tokens the model reads at once, marks included.
const MAX_TOKENS: usize = 8;

/// Numbers that differ from place to place and from name to name, always the same.
fn weight(name: &str, shape: &[usize]) -> Tensor {
    let seed = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let count: usize = shape.iter().product();
    let mut state = seed;
    // As in a trained model, what is added to every token weighs little beside the token.
    let (base, scale) = match name.rsplit_once('.') {
        Some((_, "bias")) => (0.0, 0.05),
        Some((norm, _)) if norm.ends_with("LayerNorm") => (1.0, 0.2),
        _ => (0.0, 0.8),
    };
    let numbers: Vec<f32> = (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let unit = f32::from(u16::try_from(state >> 16).unwrap()) / f32::from(u16::MAX);
            base + (unit - 0.5) * scale
        })
        .collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn weights() -> HashMap<String, Tensor> {
    let mut all = HashMap::new();
    let mut add = |name: &str, shape: &[usize]| {
        all.insert(name.to_owned(), weight(name, shape));
    };
    add("embeddings.word_embeddings.weight", &[WORDS.len(), HIDDEN]);
    add(
        "embeddings.position_embeddings.weight",
        &[MAX_TOKENS, HIDDEN],
    );
    add("embeddings.token_type_embeddings.weight", &[2, HIDDEN]);
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..LAYERS {
        let at = format!("encoder.layer.{layer}");
        for (name, out, inner) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ] {
            add(&format!("{at}.{name}.weight"), &[out, inner]);
            add(&format!("{at}.{name}.bias"), &[out]);
        }
        norms.push(format!("{at}.attention.output.LayerNorm"));
        norms.push(format!("{at}.output.LayerNorm"));
    }
    for norm in norms {
        add(&format!("{norm}.weight"), &[HIDDEN]);
        add(&format!("{norm}.bias"), &[HIDDEN]);
    }
    all
}

fn write_model(folder: &Path) {
    fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    let config = json!({
        "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": INNER,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "max_position_embeddings": MAX_TOKENS,
        "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    });
    let vocabulary: HashMap<&str, usize> = WORDS.into_iter().zip(0..).collect();
    let tokenizer = json!({
        "version": "1.0",
        // Whoever trained it padded to 128; no text shall pay for that.
        "padding": {
            "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2],
        },
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    });
    let pooling = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false});
    let modules = json!([{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]);
    for (name, value) in [
        ("config.json", config),
        ("tokenizer.json", tokenizer),
        ("1_Pooling/config.json", pooling),
        ("modules.json", modules),
    ] {
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
    let file = folder.join("model.safetensors");
    candle_core::safetensors::save(&weights(), &file).unwrap();
    write_hash(
        folder,
        &hex::encode(Sha256::digest(fs::read(file).unwrap())),
    );
}

fn write_hash(folder: &Path, hash: &str) {
    let line = format!("{hash}  model.safetensors\n");
    fs::write(folder.join("model.safetensors.sha256"), line).unwrap();
}

fn model() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny-1");
    write_model(&folder);
    (dir, folder)
}

fn open(folder: &Path) -> Result<LocalEmbeddings, Error> {
    LocalEmbeddings::open(&LocalModel {
        folder: folder.to_owned(),
        at_a_time: NonZeroUsize::MIN,
    })
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

#[tokio::test]
async fn a_text_has_one_vector_whatever_it_is_embedded_with() {
    let (_dir, folder) = model();
    let embedder = open(&folder).unwrap();
    assert_eq!(
        (embedder.model(), embedder.dimensions()),
        ("tiny-1", HIDDEN)
    );
    let all = texts(&["returns are free", "", "by", "parcels arrive by bicycle"]);
    let together = embedder.embed(&all).await.unwrap();
    // With the marks of begin and end.
    assert_eq!(together.tokens, Some(5 + 2 + 3 + 6));
    for (text, vector) in all.iter().zip(&together.vectors) {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        let alone = embedder.embed(std::slice::from_ref(text)).await.unwrap();
        let alone = &alone.vectors[0];
        // Padding changes nothing but rounding.
        assert!(cosine(alone, vector) > 0.99999, "{text}");
    }
    assert!(cosine(&together.vectors[0], &together.vectors[3]) < 0.99);
}

#[tokio::test]
async fn the_end_of_a_long_text_counts() {
    let (_dir, folder) = model();
    let embedder = open(&folder).unwrap();
    let all = texts(&[
        "returns are free for returns are",
        "returns are free for returns are parcels by bicycle",
        "parcels by bicycle",
    ]);
    let embedded = embedder.embed(&all).await.unwrap();
    let [begin, whole, end] = &embedded.vectors[..] else {
        panic!("three texts");
    };
    // Two pieces of 8 and 5 tokens.
    let mean: Vec<f32> = begin
        .iter()
        .zip(end)
        .map(|(x, y)| 8.0 * x + 5.0 * y)
        .collect();
    let length = cosine(&mean, &mean).sqrt();
    assert!(cosine(whole, &mean) / length > 0.9999);
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_model() {
    let (_dir, folder) = model();
    let embedder = Arc::new(open(&folder).unwrap());
    let calls = (0..8).map(|_| {
        let embedder = Arc::clone(&embedder);
        tokio::spawn(async move { embedder.embed(&texts(&["free", "by", "for"])).await })
    });
    let vectors = futures::future::try_join_all(calls).await.unwrap();
    // The files may go once it is loaded.
    fs::remove_dir_all(&folder).unwrap();
    let first = vectors[0].as_ref().unwrap();
    assert!(vectors.iter().all(|it| it.as_ref().unwrap() == first));
    embedder.embed(&texts(&["bicycle"])).await.unwrap();
}

#[tokio::test]
async fn weights_without_their_hash_are_not_used() {
    let (_dir, folder) = model();
    write_hash(&folder, &"0".repeat(64));
    let embedder = open(&folder).unwrap();
    let error = embedder.embed(&texts(&["free"])).await.unwrap_err();
    assert!(
        matches!(&error, Error::Misconfigured { detail, .. } if detail.contains("the hash")),
        "{error:?}"
    );
    // Put right, the same embedder goes on.
    fs::remove_file(folder.join("model.safetensors.sha256")).unwrap();
    embedder.embed(&texts(&["free"])).await.unwrap();
}

#[tokio::test]
async fn a_damaged_model_is_told_and_harms_nobody() {
    let (_dir, folder) = model();
    fs::remove_file(folder.join("model.safetensors.sha256")).unwrap();
    fs::write(folder.join("model.safetensors"), b"garbage").unwrap();
    let embedder = open(&folder).unwrap();
    let error = embedder.embed(&texts(&["free"])).await.unwrap_err();
    assert!(matches!(error, Error::Misconfigured { .. }), "{error:?}");
}
