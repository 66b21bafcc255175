//! Reads `?serverInfoXML`, as the simplest of its readers in the wild do: by the names of the elements.

/// One edge as the balancer sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerInfo {
    /// The edge's GUID.
    pub server_id: String,
    /// The redirect address.
    pub redirect: String,
    /// `RUNNING`, `MSGTIMEOUT`, …
    pub status: String,
    /// Clients on the edge.
    pub connect_count: u64,
    /// Hand-outs since the last report.
    pub redirect_count: u64,
    /// Time since the last report.
    pub last_message: String,
}

impl ServerInfo {
    /// The edges of a page, in order of their GUID, so that two pages can be compared.
    ///
    /// # Errors
    /// When an element is missing or not what it should be; which.
    pub fn parse(page: &str) -> Result<Vec<Self>, String> {
        let mut edges = Vec::new();
        for part in page.split("<LoadBalancerServer>").skip(1) {
            let text = |name: &str| element(part, name).ok_or_else(|| format!("no <{name}> in {part}"));
            let number = |name: &str| text(name)?.parse().map_err(|_| format!("<{name}> is no number in {part}"));
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

    /// What a refused report must not change: who is there, in which state, with how much load.
    #[must_use]
    pub fn standing(&self) -> (String, String, String, u64) {
        (self.server_id.clone(), self.redirect.clone(), self.status.clone(), self.connect_count)
    }
}

fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.to_owned())
}
