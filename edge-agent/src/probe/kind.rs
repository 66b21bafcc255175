//! Kinds of probes: how a probe is named on the command line, and how it is created.

use std::fmt;
use std::str::FromStr;

use super::{BoxError, KINDS, Probe, system};

/// A kind of probe. Each probe defines one in its own file; [`KINDS`] lists them.
#[derive(Debug)]
pub struct Kind {
    /// The name in `--probe NAME`.
    pub name: &'static str,
    /// The placeholder for the argument in `--probe NAME=ARGUMENT`, such as `URL`; `None` for a probe without argument.
    pub argument: Option<&'static str>,
    /// What the probe measures and where, as one line for `--help`.
    pub help: &'static str,
    /// Creates a probe from its argument, which is empty for a kind without argument.
    pub create: fn(&str, &Options) -> Created,
}

/// A new probe, or what was expected instead of its argument.
pub type Created = Result<Box<dyn Probe>, BoxError>;

/// Options that probes share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Local TCP ports whose connections the kernel counts; without any, it counts none.
    pub ports: Vec<u16>,
    /// The network interface whose rates are reported; all but the loopback when `None`.
    pub interface: Option<String>,
}

impl Kind {
    /// Returns how the probe is written on the command line, such as `nginx-rtmp=URL`.
    #[must_use]
    pub fn syntax(&self) -> String {
        self.argument.map_or_else(|| self.name.to_owned(), |argument| format!("{}={argument}", self.name))
    }
}

/// A probe as given on the command line: a kind and its argument.
#[derive(Clone, Debug)]
pub struct ProbeSpec {
    kind: &'static Kind,
    argument: String,
}

/// Why the text does not name a probe.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseProbeError {
    /// No kind has this name.
    #[error("unknown probe `{0}`; expected {expected}", expected = syntaxes())]
    Unknown(String),
    /// The kind needs an argument.
    #[error("the argument is missing; expected {0}")]
    MissingArgument(String),
    /// The kind has no argument.
    #[error("the probe {0} takes no argument")]
    UnexpectedArgument(&'static str),
}

impl FromStr for ProbeSpec {
    type Err = ParseProbeError;

    fn from_str(text: &str) -> Result<Self, ParseProbeError> {
        let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
        let kind = KINDS.iter().copied().find(|kind| kind.name == name);
        let kind = kind.ok_or_else(|| ParseProbeError::Unknown(name.to_owned()))?;
        match (kind.argument, argument.filter(|argument| !argument.is_empty())) {
            (Some(_), None) => Err(ParseProbeError::MissingArgument(kind.syntax())),
            (None, _) if argument.is_some() => Err(ParseProbeError::UnexpectedArgument(kind.name)),
            (_, argument) => Ok(Self { kind, argument: argument.unwrap_or_default().to_owned() }),
        }
    }
}

/// As on the command line.
impl fmt::Display for ProbeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        if self.kind.argument.is_some() { write!(f, "={}", self.argument) } else { Ok(()) }
    }
}

/// A probe cannot be created from its argument.
#[derive(Debug, thiserror::Error)]
#[error("--probe {probe}: {cause}")]
pub struct CreateError {
    /// The probe, as on the command line.
    pub probe: ProbeSpec,
    /// What was expected.
    pub cause: BoxError,
}

/// Creates the probes of an edge: those of the media server in the given order, and then the system probe for the
/// figures that they leave unknown. The system probe is always there, whether it is given or not.
///
/// # Errors
/// [`CreateError`] for the first probe that cannot be created.
pub fn create_all(specs: &[ProbeSpec], options: Options) -> Result<Vec<Box<dyn Probe>>, CreateError> {
    let is_system = |spec: &&ProbeSpec| std::ptr::eq(spec.kind, &system::KIND);
    let mut probes = specs
        .iter()
        .filter(|spec| !is_system(spec))
        .map(|spec| spec.create(&options))
        .collect::<Result<Vec<_>, CreateError>>()?;
    // The kernel's count of connections is another figure than a media server's count of clients. It must not take the
    // place of that when the media server does not answer.
    let ports = if probes.is_empty() { options.ports } else { Vec::new() };
    let system = ProbeSpec { kind: &system::KIND, argument: String::new() };
    probes.push(system.create(&Options { ports, ..options })?);
    Ok(probes)
}

impl ProbeSpec {
    fn create(&self, options: &Options) -> Result<Box<dyn Probe>, CreateError> {
        (self.kind.create)(&self.argument, options).map_err(|cause| CreateError { probe: self.clone(), cause })
    }
}

/// Returns the text for `-h`: one line with the syntax of every probe.
#[must_use]
pub fn short_help() -> String {
    format!("Source of the load figures: {}; may be repeated [default: system]", syntaxes())
}

/// Returns the text for `--help`: every probe, with what it measures.
#[must_use]
pub fn long_help() -> String {
    let width = KINDS.iter().map(|kind| kind.syntax().len()).max().unwrap_or_default();
    let lines: Vec<String> = KINDS.iter().map(|kind| format!("  {:width$}  {}", kind.syntax(), kind.help)).collect();
    format!(
        "Source of the load figures; may be repeated. Each figure comes from the first probe that supplies it.\n\n{}\n\n\
         [default: system]",
        lines.join("\n")
    )
}

/// The syntax of every probe, as an enumeration.
fn syntaxes() -> String {
    enumerate(&KINDS.iter().map(|kind| kind.syntax()).collect::<Vec<_>>())
}

/// Returns `a, b or c`.
fn enumerate(texts: &[String]) -> String {
    match texts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => texts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<ProbeSpec>().map(|spec| spec.to_string()).map_err(|error| error.to_string())
    }

    fn create(specs: &[&str]) -> Vec<Box<dyn Probe>> {
        let specs: Vec<ProbeSpec> = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        create_all(&specs, Options { ports: vec![1935], interface: None }).unwrap()
    }

    #[test]
    fn every_kind_has_a_unique_name_and_is_parsed_by_its_syntax() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert_eq!(parse(&kind.syntax()), Ok(kind.syntax()));
            assert!(short_help().contains(&kind.syntax()) && long_help().contains(kind.help), "{}", kind.name);
        }
    }

    #[test]
    fn an_unknown_probe_is_rejected_with_the_syntax_of_every_probe() {
        let known = syntaxes();
        for (text, name) in [("no-such-probe", "no-such-probe"), ("nginx=http://localhost/", "nginx")] {
            assert_eq!(parse(text), Err(format!("unknown probe `{name}`; expected {known}")));
        }
        let listed: Vec<&str> = known.split([',', ' ']).collect();
        for kind in KINDS {
            assert!(listed.contains(&kind.syntax().as_str()), "{known}");
        }
        let texts = ["system", "nginx-rtmp=URL", "other"].map(str::to_owned);
        assert_eq!(enumerate(&texts[..1]), "system");
        assert_eq!(enumerate(&texts[..2]), "system or nginx-rtmp=URL");
        assert_eq!(enumerate(&texts), "system, nginx-rtmp=URL or other");
    }

    #[test]
    fn a_wrong_argument_is_rejected_with_what_was_expected() {
        for (text, message) in [
            ("nginx-rtmp", "the argument is missing; expected nginx-rtmp=URL"),
            ("nginx-rtmp=", "the argument is missing; expected nginx-rtmp=URL"),
            ("system=eth0", "the probe system takes no argument"),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
        let spec = "nginx-rtmp=https://localhost/stat".parse().unwrap();
        assert_eq!(
            create_all(&[spec], Options::default()).unwrap_err().to_string(),
            "--probe nginx-rtmp=https://localhost/stat: expected an http:// URL of nginx-rtmp's statistics page, such as \
             http://127.0.0.1:8080/stat"
        );
    }

    #[test]
    fn the_system_probe_is_always_last_and_counts_connections_only_on_its_own() {
        let page = "nginx-rtmp=http://127.0.0.1/stat";
        for (specs, names, ports) in [
            (&[][..], &["system"][..], "ports: [1935]"),
            (&["system"], &["system"], "ports: [1935]"),
            (&["system", page], &["nginx-rtmp at http://127.0.0.1/stat", "system"], "ports: []"),
        ] {
            let probes = create(specs);
            assert_eq!(probes.iter().map(|probe| probe.name()).collect::<Vec<_>>(), names);
            let system = format!("{:?}", probes.last().unwrap());
            assert!(system.contains(ports), "{specs:?}: {system}");
        }
    }
}
