use tokenizers::Encoding;

/// The most tokens in one batch, padding included: a question waits for one batch at most.
const BATCH_TOKENS: usize = 2048;

/// The most pieces of one text that are read; what follows is left out.
const TEXT_PIECES: usize = 32;

/// A part of a text that the model reads at once.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Which text it is of.
    text: usize,
    /// Its tokens.
    pub(super) ids: Vec<u32>,
}

/// Texts in pieces.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    /// Adds a text that the tokenizer has read, as many pieces as it made of it.
    pub(super) fn push(&mut self, text: usize, encoding: &Encoding) {
        let all = std::iter::once(encoding).chain(encoding.get_overflowing());
        let pieces = all.take(TEXT_PIECES).map(|piece| Piece {
            text,
            ids: piece.get_ids().to_vec(),
        });
        // A text without tokens has nothing that a mean could be made of.
        self.0.extend(pieces.filter(|piece| !piece.ids.is_empty()));
    }

    /// The tokens of all of them.
    pub(super) fn tokens(&self) -> u64 {
        self.0.iter().map(|piece| piece.ids.len() as u64).sum()
    }

    /// Batches of pieces of about one length, so that little is padded.
    pub(super) fn into_batches(mut self) -> Vec<Vec<Piece>> {
        self.0.sort_by_key(|piece| piece.ids.len());
        let mut batches: Vec<Vec<Piece>> = Vec::new();
        for piece in self.0 {
            match batches.last_mut() {
                // The longest comes last.
                Some(batch) if (batch.len() + 1) * piece.ids.len() <= BATCH_TOKENS => {
                    batch.push(piece);
                }
                _ => batches.push(vec![piece]),
            }
        }
        batches
    }
}

/// The vectors of texts as the means of their pieces', each weighing as many tokens as it has.
pub(super) struct Mean(Vec<Vec<f32>>);

impl Mean {
    /// Of so many texts.
    pub(super) fn new(texts: usize, dimensions: usize) -> Self {
        Self(vec![vec![0.0; dimensions]; texts])
    }

    /// Adds the vectors of a batch.
    pub(super) fn add(&mut self, batch: &[Piece], vectors: Vec<Vec<f32>>) {
        for (piece, mut vector) in batch.iter().zip(vectors) {
            normalise(&mut vector);
            let weight = f32::from(u16::try_from(piece.ids.len()).unwrap_or(u16::MAX));
            if let Some(sum) = self.0.get_mut(piece.text) {
                for (sum, number) in sum.iter_mut().zip(vector) {
                    *sum += weight * number;
                }
            }
        }
    }

    /// The vectors, each of length 1.
    pub(super) fn into_vectors(mut self) -> Vec<Vec<f32>> {
        self.0.iter_mut().for_each(|vector| normalise(vector));
        self.0
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: usize, tokens: usize) -> Piece {
        Piece {
            text,
            ids: vec![7; tokens],
        }
    }

    #[test]
    fn batches_hold_what_is_of_one_length_up_to_their_bound() {
        let lengths = [256, 3, 256, 200, 4, 256, 256, 256, 256, 256, 256, 256];
        let pieces = lengths.iter().enumerate();
        let pieces = Pieces(pieces.map(|(at, length)| piece(at, *length)).collect());
        assert_eq!(pieces.tokens(), 256 * 9 + 207);
        let batches = pieces.into_batches();
        for batch in &batches {
            let longest = batch.iter().map(|piece| piece.ids.len()).max().unwrap();
            assert!(batch.len() * longest <= BATCH_TOKENS);
        }
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [8, 4]);
        let all: usize = sizes.iter().sum();
        assert_eq!(all, lengths.len());
    }

    #[test]
    fn the_pieces_of_a_text_weigh_as_many_tokens_as_they_have() {
        let mut mean = Mean::new(2, 2);
        let batch = [piece(1, 30), piece(0, 5), piece(1, 10)];
        // The length of a piece's vector does not count.
        let vectors = vec![vec![2.0, 0.0], vec![0.0, -3.0], vec![0.0, 1.0]];
        mean.add(&batch, vectors);
        let vectors = mean.into_vectors();
        assert_eq!(vectors[0], [0.0, -1.0]);
        let length = 10_f32.sqrt();
        assert!((vectors[1][0] - 3.0 / length).abs() < 1e-6);
        assert!((vectors[1][1] - 1.0 / length).abs() < 1e-6);
    }
}
