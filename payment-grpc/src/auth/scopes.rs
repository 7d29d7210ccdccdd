//! Which scope each RPC needs: the only such list. What is not in it is refused.

use kassa_core::app::Scope;

/// What an RPC demands of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: health and reflection, which say nothing about anybody's money.
    Open,
    /// A token with this scope.
    Scoped(Scope),
}

/// An RPC that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rpc {
    /// Its path, which is also its name in spans and metrics.
    pub(crate) path: &'static str,
    /// What it demands.
    pub(crate) access: Access,
}

const fn open(path: &'static str) -> Rpc {
    Rpc {
        path,
        access: Access::Open,
    }
}

const fn scoped(path: &'static str, scope: Scope) -> Rpc {
    Rpc {
        path,
        access: Access::Scoped(scope),
    }
}

/// Every RPC.
pub(super) const RPCS: [Rpc; 43] = [
    scoped(
        "/payment.v1.PaymentService/CreatePayment",
        Scope::PaymentsWrite,
    ),
    scoped("/payment.v1.PaymentService/GetPayment", Scope::PaymentsRead),
    scoped(
        "/payment.v1.PaymentService/ListPayments",
        Scope::PaymentsRead,
    ),
    scoped(
        "/payment.v1.PaymentService/ClosePayment",
        Scope::PaymentsWrite,
    ),
    scoped(
        "/payment.v1.PaymentService/SyncPayment",
        Scope::PaymentsWrite,
    ),
    scoped(
        "/payment.v1.PaymentService/RetryPayment",
        Scope::PaymentsWrite,
    ),
    scoped(
        "/payment.v1.PaymentService/WatchPayment",
        Scope::PaymentsRead,
    ),
    scoped(
        "/payment.v1.RefundService/CreateRefund",
        Scope::RefundsWrite,
    ),
    scoped("/payment.v1.RefundService/GetRefund", Scope::RefundsRead),
    scoped("/payment.v1.RefundService/ListRefunds", Scope::RefundsRead),
    scoped(
        "/payment.v1.ChannelService/CreateChannelAccount",
        Scope::ChannelsWrite,
    ),
    scoped(
        "/payment.v1.ChannelService/UpdateChannelAccount",
        Scope::ChannelsWrite,
    ),
    scoped(
        "/payment.v1.ChannelService/GetChannelAccount",
        Scope::ChannelsRead,
    ),
    scoped(
        "/payment.v1.ChannelService/ListChannelAccounts",
        Scope::ChannelsRead,
    ),
    scoped(
        "/payment.v1.ChannelService/EnableChannelAccount",
        Scope::ChannelsWrite,
    ),
    scoped(
        "/payment.v1.ChannelService/DisableChannelAccount",
        Scope::ChannelsWrite,
    ),
    scoped("/payment.v1.EventService/ListEvents", Scope::EventsRead),
    scoped("/payment.v1.EventService/StreamEvents", Scope::EventsRead),
    scoped(
        "/payment.v1.OperationsService/ListNotifications",
        Scope::OperationsRead,
    ),
    scoped(
        "/payment.v1.OperationsService/ListParked",
        Scope::OperationsRead,
    ),
    scoped(
        "/payment.v1.OperationsService/RedriveParked",
        Scope::OperationsWrite,
    ),
    scoped(
        "/payment.v1.OperationsService/ListAnomalies",
        Scope::OperationsRead,
    ),
    scoped(
        "/payment.v1.OperationsService/GetAnomaly",
        Scope::OperationsRead,
    ),
    scoped(
        "/payment.v1.OperationsService/ResolveAnomaly",
        Scope::OperationsWrite,
    ),
    scoped(
        "/payment.v1.OperationsService/ExplainPayment",
        Scope::OperationsRead,
    ),
    scoped("/payment.v1.WalletService/GetWallet", Scope::WalletsRead),
    scoped(
        "/payment.v1.WalletService/ListWalletEntries",
        Scope::WalletsRead,
    ),
    scoped(
        "/payment.v1.WalletService/CreditWallet",
        Scope::WalletsWrite,
    ),
    scoped("/payment.v1.WalletService/DebitWallet", Scope::WalletsWrite),
    scoped(
        "/payment.v1.WalletService/TransferBetweenWallets",
        Scope::WalletsWrite,
    ),
    scoped(
        "/payment.v1.WalletService/FreezeWallet",
        Scope::WalletsWrite,
    ),
    scoped(
        "/payment.v1.WalletService/UnfreezeWallet",
        Scope::WalletsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/RequestPasswordCode",
        Scope::PasswordsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/SetPaymentPassword",
        Scope::PasswordsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/ChangePaymentPassword",
        Scope::PasswordsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/ResetPaymentPassword",
        Scope::PasswordsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/VerifyPaymentPassword",
        Scope::PasswordsWrite,
    ),
    scoped(
        "/payment.v1.PaymentPasswordService/GetPaymentPasswordStatus",
        Scope::PasswordsRead,
    ),
    open("/grpc.health.v1.Health/Check"),
    open("/grpc.health.v1.Health/List"),
    open("/grpc.health.v1.Health/Watch"),
    open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    open("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
];

/// The RPC of a path.
pub(crate) fn find(path: &str) -> Option<Rpc> {
    RPCS.iter().copied().find(|rpc| rpc.path == path)
}
