//! Failures of kernel mode.

use rustix::io::Errno;
use tracing::warn;
use weir_program::netlink;

use crate::kernel::{Kernel, OpenError};
use crate::plan::NotOwned;
use crate::settings::Settings;

/// Why kernel mode is unavailable, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// IPVS or nf_tables is missing, or a request failed.
    #[error("kernel mode unavailable: {0}")]
    Open(#[from] OpenError),
    /// The process has no permission.
    #[error("kernel mode unavailable: CAP_NET_ADMIN is required; run as root, or give the program this capability")]
    NotPermitted,
    /// The kernel's state cannot be read.
    #[error("kernel mode unavailable: kernel state cannot be read: {0}")]
    Read(netlink::Error),
    /// The desired state has objects that are not Weir's.
    #[error("kernel mode unavailable: {0}")]
    NotOwned(#[from] NotOwned),
}

impl From<netlink::Error> for Unavailable {
    fn from(error: netlink::Error) -> Self {
        if error.is_refusal(Errno::PERM) { Self::NotPermitted } else { Self::Read(error) }
    }
}

/// Opens the kernel of the calling thread's network namespace, and reads its state once to check for permission.
///
/// # Errors
/// [`Unavailable`].
pub fn open(settings: &Settings) -> Result<Kernel, Unavailable> {
    let mut kernel = Kernel::open()?;
    kernel.read(&settings.owned)?;
    Ok(kernel)
}

/// Tries once more if the kernel could not be read, since that may be transient: one lost reply is no reason to release
/// the addresses.
pub(super) fn with_retry<T>(mut attempt: impl FnMut() -> Result<T, Unavailable>) -> Result<T, Unavailable> {
    match attempt() {
        Err(Unavailable::Read(error)) => {
            warn!(%error, "kernel state could not be read; retrying");
            attempt()
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_is_retried_once() {
        let unreadable = || Unavailable::Read(netlink::Error::Timeout);
        let mut outcomes = vec![Ok(7), Err(unreadable())];
        assert_eq!(with_retry(|| outcomes.pop().unwrap()).unwrap(), 7);
        let mut tries = 0;
        let outcome: Result<(), _> = with_retry(|| {
            tries += 1;
            Err(unreadable())
        });
        assert!(matches!(outcome, Err(Unavailable::Read(_))));
        let mut others = 0;
        let outcome: Result<(), _> = with_retry(|| {
            others += 1;
            Err(Unavailable::NotPermitted)
        });
        assert!(matches!(outcome, Err(Unavailable::NotPermitted)));
        assert_eq!((tries, others), (2, 1));
    }
}
