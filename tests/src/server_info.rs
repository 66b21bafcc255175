//! A parser for `?serverInfoXML` that searches for element names, as the simplest readers in use do.

/// An edge as the balancer shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerInfo {
    /// The edge's GUID.
    pub server_id: String,
    /// The redirect address.
    pub redirect: String,
    /// `RUNNING`, `MSGTIMEOUT`, …
    pub status: String,
    /// Client connections on the edge.
    pub connect_count: u64,
    /// Assignments since the last report.
    pub redirect_count: u64,
    /// Time since the last report.
    pub last_message: String,
}

impl ServerInfo {
    /// Returns the edges of a page, ordered by GUID, so that two pages can be compared.
    ///
    /// # Errors
    /// If an element is missing or invalid, with its name.
    pub fn parse(page: &str) -> Result<Vec<Self>, String> {
        let mut edges = Vec::new();
        for part in page.split("<LoadBalancerServer>").skip(1) {
            let text = |name: &str| element(part, name).ok_or_else(|| format!("no <{name}> in {part}"));
            let number = |name: &str| text(name)?.parse().map_err(|_| format!("<{name}> is not a number in {part}"));
            edges.push(Self {
                server_id: text("serverId")?,
                redirect: text("redirect")?,
                status: text("status")?,
                connect_count: number("connectCount")?,
                redirect_count: number("redirectCount")?,
                last_message: text("lastMessage")?,
            });
        }
        edges.sort();
        Ok(edges)
    }

    /// Returns the fields that a rejected report must not change: identity, state and load.
    #[must_use]
    pub fn identity_and_load(&self) -> (String, String, String, u64) {
        (self.server_id.clone(), self.redirect.clone(), self.status.clone(), self.connect_count)
    }
}

fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.to_owned())
}
