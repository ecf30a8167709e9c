use sha2::{Digest, Sha256};

/// The sum of a few signed unit coordinates per word, brought to length 1: texts that share words
/// get vectors that point alike.
pub(in crate::standin) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0_f32; dimensions];
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        let hash = Sha256::digest(word.as_bytes());
        for part in hash.chunks_exact(4).take(4) {
            let place =
                usize::from(part[0]) << 16 | usize::from(part[1]) << 8 | usize::from(part[2]);
            vector[place % dimensions] += if part[3] & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        vector[0] = 1.0;
        return vector;
    }
    for x in &mut vector {
        *x /= length;
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        let (a, b) = (vector(a, 256), vector(b, 256));
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn shared_words_bring_vectors_together() {
        let near = similarity("When are you open?", "We are open from nine.");
        let far = similarity("When are you open?", "Parcels leave within two days.");
        assert!(near > far + 0.2, "{near} {far}");
        assert!((similarity("open", "Open!") - 1.0).abs() < 1e-5);
    }
}
