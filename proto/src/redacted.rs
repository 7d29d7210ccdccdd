//! What carries a secret does not print: the generated `Debug` of these messages is left out in `build.rs`.

use std::fmt;

use crate::v1;

/// `Debug` with the names of the fields and the user alone.
macro_rules! redacted {
    ($($message:ident),+ $(,)?) => {$(
        impl fmt::Debug for v1::$message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    .field("user_id", &self.user_id)
                    .finish_non_exhaustive()
            }
        }
    )+};
}

redacted!(
    ChangePaymentPasswordRequest,
    CreatePaymentRequest,
    ResetPaymentPasswordRequest,
    SetPaymentPasswordRequest,
    VerifyPaymentPasswordRequest,
);

impl fmt::Debug for v1::ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("publishable_key", &self.publishable_key)
            .finish_non_exhaustive()
    }
}

/// The generated one is left out with that of its message: it says which kind of payer, and not who.
impl fmt::Debug for v1::create_payment_request::Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Openid(_) => "Openid",
            Self::BuyerId(_) => "BuyerId",
            Self::AuthCode(_) => "AuthCode",
        })
    }
}

impl fmt::Debug for v1::RetryPaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPaymentRequest")
            .field("transaction_id", &self.transaction_id)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// As that of a new payment.
impl fmt::Debug for v1::retry_payment_request::Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Openid(_) => "Openid",
            Self::BuyerId(_) => "BuyerId",
            Self::AuthCode(_) => "AuthCode",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_password_prints_its_user_alone() {
        let request = v1::ChangePaymentPasswordRequest {
            user_id: "u-1".to_owned(),
            old_password: "135790".to_owned(),
            new_password: "975310".to_owned(),
        };
        let text = format!("{request:?}");
        assert!(text.contains("u-1") && !text.contains("135790") && !text.contains("975310"));
        let request = v1::CreatePaymentRequest {
            user_id: "u-1".to_owned(),
            payment_password: "135790".to_owned(),
            ..Default::default()
        };
        let text = format!("{request:?}");
        assert!(text.contains("u-1") && !text.contains("135790"));
    }

    #[test]
    fn a_payers_code_does_not_print() {
        use v1::create_payment_request::Payer;
        use v1::retry_payment_request::Payer as RetryPayer;
        const CODE: &str = "280000000000000001";
        let create = v1::CreatePaymentRequest {
            payer: Some(Payer::AuthCode(CODE.to_owned())),
            ..Default::default()
        };
        let retry = v1::RetryPaymentRequest {
            transaction_id: "t-1".to_owned(),
            payer: Some(RetryPayer::AuthCode(CODE.to_owned())),
            ..Default::default()
        };
        let text = format!("{create:?} {:?} {retry:?} {:?}", create.payer, retry.payer);
        assert!(text.contains("t-1") && text.contains("AuthCode"));
        assert!(!text.contains(CODE), "{text}");
    }

    #[test]
    fn a_client_secret_does_not_print() {
        let prepay = v1::ClientSecret {
            client_secret: "pi_1_secret".to_owned(),
            publishable_key: "pk_1".to_owned(),
        };
        let text = format!("{prepay:?}");
        assert!(text.contains("pk_1") && !text.contains("pi_1_secret"));
    }
}
