use zeroize::Zeroizing;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes `length` random digits, each of 62 equally likely: 5.95 bits apiece.
pub(crate) fn random(length: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    while text.len() < length {
        // 248 is the largest multiple of 62 in a byte; what lies above would favour low digits.
        let byte: u8 = rand::random();
        if byte < 248 {
            text.push(char::from(DIGITS[usize::from(byte % 62)]));
        }
    }
    text
}

/// Writes a number as six digits, most significant first; 62^6 holds any `u32`.
pub(crate) fn six_digits(mut number: u32) -> String {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_fits_six_digits() {
        assert_eq!(six_digits(0), "000000");
        assert_eq!(six_digits(61), "00000z");
        assert_eq!(six_digits(62), "000010");
        assert_eq!(six_digits(u32::MAX), "4gfFC3");
    }

    #[test]
    fn every_digit_comes_up() {
        let text = random(20_000);
        assert!(is_base62(&text));
        for digit in DIGITS {
            assert!(text.bytes().any(|byte| byte == *digit));
        }
    }
}
