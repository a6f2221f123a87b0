//! Why a contract reverted, in geth's words: Solidity's `Error(string)` and `Panic(uint256)`.

use alloy_primitives::{U256, hex};

const ERROR: [u8; 4] = hex!("08c379a0");
const PANIC: [u8; 4] = hex!("4e487b71");
const WORD: usize = 32;

/// The reason in a revert's output; None when it has none of the two forms.
pub(crate) fn reason(output: &[u8]) -> Option<String> {
    let (selector, body) = output.split_first_chunk::<4>()?;
    match *selector {
        ERROR => error_text(body),
        PANIC => Some(panic_text(word(body, 0)?)),
        _ => None,
    }
}

fn word(body: &[u8], offset: usize) -> Option<U256> {
    body.get(offset..offset.checked_add(WORD)?).map(U256::from_be_slice)
}

fn size(body: &[u8], offset: usize) -> Option<usize> {
    word(body, offset)?.try_into().ok()
}

fn error_text(body: &[u8]) -> Option<String> {
    let offset = size(body, 0)?;
    let length = size(body, offset)?;
    let start = offset.checked_add(WORD)?;
    let text = body.get(start..start.checked_add(length)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn panic_text(code: U256) -> String {
    match u8::try_from(code) {
        Ok(0x00) => "generic panic".into(),
        Ok(0x01) => "assert(false)".into(),
        Ok(0x11) => "arithmetic underflow or overflow".into(),
        Ok(0x12) => "division or modulo by zero".into(),
        Ok(0x21) => "enum overflow".into(),
        Ok(0x22) => "invalid encoded storage byte array accessed".into(),
        Ok(0x31) => "out-of-bounds array access; popping on an empty array".into(),
        Ok(0x32) => "out-of-bounds access of an array or bytesN".into(),
        Ok(0x41) => "out of memory".into(),
        Ok(0x51) => "uninitialized function".into(),
        _ => format!("unknown panic code: {code:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Vec<u8> {
        let mut output = ERROR.to_vec();
        output.extend(U256::from(32).to_be_bytes::<32>());
        output.extend(U256::from(text.len()).to_be_bytes::<32>());
        output.extend(text.as_bytes());
        output.resize(output.len().next_multiple_of(32) + 4, 0);
        output
    }

    #[test]
    fn an_error_string_is_the_reason() {
        assert_eq!(reason(&error("not enough")).as_deref(), Some("not enough"));
    }

    #[test]
    fn a_panic_code_has_words() {
        let panic = |code: u64| [&PANIC[..], &U256::from(code).to_be_bytes::<32>()].concat();
        assert_eq!(reason(&panic(0x11)).as_deref(), Some("arithmetic underflow or overflow"));
        assert_eq!(reason(&panic(0x99)).as_deref(), Some("unknown panic code: 0x99"));
    }

    #[test]
    fn no_output_can_make_the_decoder_read_outside_it() {
        let whole = error("not enough");
        for end in 0..4 + 64 + 10 {
            assert_eq!(reason(&whole[..end]), None, "{end} bytes");
        }
        let mut far = error("x");
        far[4..36].fill(0xff);
        assert_eq!(reason(&far), None);
        let mut long = error("x");
        long[36..68].fill(0xff);
        assert_eq!(reason(&long), None);
    }
}
