//! Yuan as text and fen as integers; no float ever.

/// Largest amount of one order in fen (alipay sheet §6: 100,000,000 yuan).
pub(crate) const AMOUNT_FEN_MAX: i64 = 10_000_000_000;

const FEN_PER_YUAN: i64 = 100;

/// Reads an amount in yuan with at most two decimals, such as `88.88`, `88.8` or `88`.
///
/// `None` for anything else: signs, exponents, spaces, three decimals, leading zeros, overflow.
pub(crate) fn fen_from_yuan(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 2 || whole.len() > 12 {
        return None;
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let hundredths: i64 = format!("{decimals:0<2}").parse().ok()?;
    let yuan: i64 = whole.parse().ok()?;
    yuan.checked_mul(FEN_PER_YUAN)?.checked_add(hundredths)
}

/// Writes fen as yuan with two decimals.
pub(crate) fn yuan_from_fen(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_becomes_fen_exactly() {
        for (text, fen) in [
            ("0.01", 1),
            ("88.8", 8880),
            ("88.88", 8888),
            ("100", 10_000),
        ] {
            assert_eq!(fen_from_yuan(text), Some(fen), "{text}");
        }
    }

    #[test]
    fn odd_amounts_are_refused() {
        for text in [
            "", ".5", "5.", "0.001", "1e3", "-1", "+1", " 1", "01.00", "1,00", "NaN",
        ] {
            assert_eq!(fen_from_yuan(text), None, "{text}");
        }
    }

    #[test]
    fn fen_becomes_yuan_with_two_decimals() {
        assert_eq!(yuan_from_fen(1), "0.01");
        assert_eq!(yuan_from_fen(8880), "88.80");
        assert_eq!(yuan_from_fen(-5), "-0.05");
    }
}
