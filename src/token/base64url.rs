//! Base64url without padding (RFC 7515 §2), in its one canonical spelling.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes `text`, or gives `None` for what no encoder writes: padding, other alphabets, trailing bits that are not zero.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    // The engine's configuration refuses padding and non-zero trailing bits (RFC 4648 §3.5).
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_7515_appendix_c_decodes() {
        assert_eq!(decode("A-z_4ME"), Some(vec![3, 236, 255, 224, 193]));
        assert_eq!(decode(""), Some(vec![]));
    }

    #[test]
    fn rfc_7515_section_2_other_spellings_are_refused() {
        for text in
            ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A-z_4M E", "A-z_4ME\n", "A", "AA=", "AB", "ÄA", "A-z_4", "=", "===="]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_decodes_is_what_an_encoder_writes(text in "[A-Za-z0-9_=+/-]{0,40}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes), text);
            }
        }

        #[test]
        fn what_an_encoder_writes_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(decode(&URL_SAFE_NO_PAD.encode(&bytes)), Some(bytes));
        }
    }
}
