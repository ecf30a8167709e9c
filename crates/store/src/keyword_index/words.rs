//! Texts taken apart by Postgres' text search configurations.

use db::{Error, Result, TenantTx, Tx as _};

use super::{Lexemes, QuestionLexeme};

/// Takes texts apart as the text search configuration does; gives the lexemes of each, in the order
/// of the texts.
///
/// # Errors
/// Those of the database, among them a configuration that it does not know.
pub async fn list_lexemes(
    tx: &mut TenantTx,
    text_config: &str,
    texts: &[String],
) -> Result<Vec<Lexemes>> {
    // As one value for each text: a row for each lexeme costs several times as much.
    let vectors = sqlx::query_scalar!(
        r#"
        SELECT tsvectorsend(to_tsvector($1::text::regconfig, texts.words)) AS "vector!"
        FROM unnest($2::text[]) WITH ORDINALITY AS texts (words, number)
        ORDER BY texts.number
        "#,
        text_config,
        texts,
    )
    .fetch_all(tx.conn())
    .await?;
    vectors
        .iter()
        .map(|vector| read_lexemes(vector).ok_or_else(|| Error::corrupt("tsvector")))
        .collect()
}

/// Takes a question apart by every configuration that the tenant's documents have.
///
/// # Errors
/// Those of the database.
pub async fn list_question_lexemes(
    tx: &mut TenantTx,
    question: &str,
) -> Result<Vec<QuestionLexeme>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        QuestionLexeme,
        r#"
        SELECT configs.name AS "text_config!", lexemes.lexeme AS "lexeme?",
               coalesce(lexemes.positions, '{}') AS "positions!"
        FROM (
            SELECT DISTINCT unnest(text_configs) AS name
            FROM keyword_segments
            WHERE tenant_id = $1
              AND live
        ) AS configs
        LEFT JOIN LATERAL unnest(to_tsvector(configs.name::regconfig, $2)) AS lexemes ON true
        ORDER BY 1, 2
        "#,
        tenant.as_uuid(),
        question,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Reads a tsvector as `tsvectorsend` writes it: how many lexemes (4 bytes), then each with a NUL
/// behind it, how many positions (2) and these (2 each). `None` if it is none.
fn read_lexemes(vector: &[u8]) -> Option<Lexemes> {
    let (count, mut rest) = vector.split_first_chunk()?;
    let mut lexemes = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let lexeme = str::from_utf8(&rest[..end]).ok()?;
        let (count, positions) = rest[end + 1..].split_first_chunk()?;
        let count = u16::from_be_bytes(*count);
        rest = positions.get(2 * usize::from(count)..)?;
        lexemes.push((lexeme.to_owned(), u32::from(count)));
    }
    Some(lexemes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_read_as_postgres_sends_it() {
        // Of the texts "cat mat cat" and "", by the configuration simple.
        let bytes = b"\0\0\0\x02cat\0\0\x02\0\x01\0\x03mat\0\0\x01\0\x02";
        let expected = vec![("cat".to_owned(), 2), ("mat".to_owned(), 1)];
        assert_eq!(read_lexemes(bytes), Some(expected));
        assert_eq!(read_lexemes(b"\0\0\0\0"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_vector_is_not_taken_for_one() {
        for bytes in [
            &b"\0\0"[..],
            b"\0\0\0\x01",
            b"\0\0\0\x01cat",
            b"\0\0\0\x01cat\0\0\x02\0\x01",
            b"\0\0\0\x01\xff\0\0\0",
        ] {
            assert_eq!(read_lexemes(bytes), None, "{bytes:?}");
        }
    }
}
