//! Targets: the balancers to report to.

use std::net::Ipv6Addr;

use weir_protocol::EdgeKey;
use weir_protocol::key::{ParseKeyError, ParsedKey};

/// The default UDP port of a balancer.
pub const DEFAULT_PORT: u16 = 1934;

/// A balancer to report to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address for reports.
    pub address: TargetAddress,
    /// The key that seals the reports.
    pub key: EdgeKey,
}

/// `HOST:PORT`, unresolved: the addresses of a name may change while the agent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAddress {
    /// A host name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

/// The text is not the address of a balancer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected HOST:PORT or HOST, such as balancer.example.com:1934")]
pub struct ParseTargetError;

impl std::str::FromStr for TargetAddress {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        // An IPv6 address without brackets has no port; its last group is not one.
        if text.parse::<Ipv6Addr>().is_ok() {
            return Self::new(text, DEFAULT_PORT);
        }
        match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
            Some((host, port)) => Self::new(host, port.parse().map_err(|_| ParseTargetError)?),
            None => Self::new(text, DEFAULT_PORT),
        }
    }
}

impl TargetAddress {
    fn new(host: &str, port: u16) -> Result<Self, ParseTargetError> {
        let host = weir_protocol::Host::new(host).map_err(|_| ParseTargetError)?.as_str();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if port == 0 { Err(ParseTargetError) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl std::fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A line of a targets file.
#[derive(Clone, Debug)]
pub struct Line {
    /// The balancer's address for reports.
    pub address: TargetAddress,
    /// The key for this balancer; `None` when the column is empty, which stands for the common key.
    pub key: Option<ParsedKey>,
}

/// Why a targets file is rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LineError {
    /// The line does not have three columns.
    #[error("expected host,port,key")]
    Columns,
    /// The first two columns are not an address.
    #[error("`{0},{1}` is not a host and a port from 1 to 65535")]
    Address(String, String),
    /// The third column is not a key.
    #[error("{0}")]
    Key(ParseKeyError),
    /// The file has no target.
    #[error("no target: expected a line host,port,key")]
    Missing,
}

/// Parses `loadbalancertargets.txt` in the format of the Wowza Load Balancer AddOn: `#` comments, and `host,port,key`
/// for each balancer.
///
/// # Errors
/// The line number, from 1, and what is wrong with that line.
pub fn parse_file(text: &str) -> Result<Vec<Line>, (usize, LineError)> {
    let mut targets = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            targets.push(parse_line(line).map_err(|error| (index + 1, error))?);
        }
    }
    if targets.is_empty() { Err((text.lines().count().max(1), LineError::Missing)) } else { Ok(targets) }
}

fn parse_line(line: &str) -> Result<Line, LineError> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let &[host, port, key] = &columns[..] else {
        return Err(LineError::Columns);
    };
    let address = port.parse().ok().and_then(|port| TargetAddress::new(host, port).ok());
    let address = address.ok_or_else(|| LineError::Address(host.to_owned(), port.to_owned()))?;
    let key = (!key.is_empty()).then(|| key.parse()).transpose().map_err(LineError::Key)?;
    Ok(Line { address, key })
}

#[cfg(test)]
mod tests {
    use weir_protocol::Secret;

    use super::*;

    #[test]
    fn an_address_without_a_port_gets_the_default_port() {
        for (text, host, port) in [
            ("lb.example.com:1999", "lb.example.com", 1999),
            ("lb", "lb", 1934),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:2000", "::1", 2000),
            ("[::1]", "::1", 1934),
            ("::1", "::1", 1934),
        ] {
            assert_eq!(text.parse(), Ok(TargetAddress { host: host.to_owned(), port }), "{text}");
        }
        for text in ["", ":1934", "lb:", "lb:0", "lb:65536", "a b:1", "rtmp://lb:1"] {
            assert_eq!(text.parse::<TargetAddress>(), Err(ParseTargetError), "{text}");
        }
    }

    #[test]
    fn a_targets_file_of_the_original_is_parsed() {
        let secret = Secret::from_random([7; 32]);
        let text = format!(
            "# [load-balancer-ip-address],[load-balancer-port],[encryption-key]\r\n\n 10.0.0.1 , 1934 , {} \r\nlb,1935,\n",
            secret.to_base64()
        );
        let lines = parse_file(&text).unwrap();
        assert_eq!(lines[0].address, "10.0.0.1:1934".parse().unwrap());
        assert!(matches!(&lines[0].key, Some(ParsedKey::Secret(read)) if *read == secret));
        assert_eq!(lines[1].address, "lb:1935".parse().unwrap());
        assert!(lines[1].key.is_none());
        // As in the original's documentation.
        let lines = parse_file("[::1],1934,023D4FB4IS83").unwrap();
        assert!(matches!(lines[0].key, Some(ParsedKey::Passphrase(_))));
    }

    #[test]
    fn errors_have_the_line_number_and_never_repeat_a_key() {
        let error = |text| parse_file(text).unwrap_err();
        let (line, wrong) = error("# x\nlb,1934,023D4FB4IS83====\n");
        assert_eq!((line, wrong.to_string().contains("023D")), (2, false));
        assert_eq!(
            wrong.to_string(),
            "the key is not base64: expected 44 characters as `weir-balancer keygen` prints them"
        );
        assert_eq!(error("lb,1934"), (1, LineError::Columns));
        assert_eq!(error("lb,x,").1.to_string(), "`lb,x` is not a host and a port from 1 to 65535");
        assert_eq!(error("# nothing\n"), (1, LineError::Missing));
    }
}
