//! Adds the content steering tag to a multivariant playlist of HLS.

/// The attributes of the tag.
#[derive(Clone, Copy, Debug)]
pub struct Steering<'a> {
    /// The URI of the steering manifest, absolute or relative to the playlist.
    pub server_uri: &'a str,
    /// The pathway of the playlist: the GUID of the edge that serves it. Without it, variants are left unchanged, and
    /// those without a pathway belong to the default pathway `.`.
    pub pathway: Option<&'a str>,
}

/// Why the tag cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not begin with `#EXTM3U`.
    #[error("not a playlist: the first line is not #EXTM3U")]
    NoPlaylist,
    /// The playlist has segments.
    #[error("this is a media playlist; add the tag to the multivariant playlist, which lists the variants")]
    MediaPlaylist,
    /// The playlist has no variants.
    #[error("the playlist has no variants (#EXT-X-STREAM-INF)")]
    NoVariants,
    /// The attribute list of a tag is malformed.
    #[error("malformed attribute list in `{0}`: expected NAME=VALUE or NAME=\"VALUE\", separated by commas")]
    Attributes(String),
    /// The URI is not valid in a quoted string.
    #[error("`{0}` is not a URI: expected one such as https://lb.example.com/steering/hls, without quotes and spaces")]
    Uri(String),
    /// The pathway is not a valid ID.
    #[error(
        "`{0}` is not a pathway ID: expected 1 to 128 letters, digits, `.`, `-` and `_`, such as the GUID of an edge"
    )]
    Pathway(String),
    /// All variants belong to other pathways.
    #[error("no variant belongs to pathway `{0}`: all of them have another PATHWAY-ID")]
    NoVariantIn(String),
}

/// The tag (draft-pantos-hls-rfc8216bis section 4.4.6.6).
const STEERING: &str = "#EXT-X-CONTENT-STEERING:";
/// The tags that may have a pathway (sections 4.4.6.2 and 4.4.6.3).
const VARIANTS: [&str; 2] = ["#EXT-X-STREAM-INF:", "#EXT-X-I-FRAME-STREAM-INF:"];
/// Tags that occur in media playlists only (sections 4.4.3.1 and 4.4.4.1).
const MEDIA: [&str; 2] = ["#EXT-X-TARGETDURATION", "#EXTINF"];

/// Adds the tag to a playlist, or replaces an existing one; the operation is idempotent. Everything else stays
/// unchanged, including line ends.
///
/// # Errors
/// [`Error`] if the text is not a multivariant playlist, or an attribute is invalid.
pub fn add_steering(playlist: &str, steering: Steering<'_>) -> Result<String, Error> {
    let Steering { server_uri, pathway } = steering;
    if server_uri.is_empty() || !server_uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        return Err(Error::Uri(server_uri.to_owned()));
    }
    if let Some(wrong) = pathway.filter(|pathway| !is_pathway(pathway)) {
        return Err(Error::Pathway(wrong.to_owned()));
    }
    let text = playlist.strip_prefix('\u{feff}').unwrap_or(playlist);
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "#EXTM3U").ok_or(Error::NoPlaylist)?;
    if text.lines().any(|line| MEDIA.iter().any(|tag| line.starts_with(tag))) {
        return Err(Error::MediaPlaylist);
    }
    if !text.lines().any(|line| line.starts_with(VARIANTS[0])) {
        return Err(Error::NoVariants);
    }
    let line_end = if first.ends_with("\r\n") { "\r\n" } else { "\n" };
    let mut written = format!("{}{line_end}{STEERING}SERVER-URI=\"{server_uri}\"", first.trim_end());
    if let Some(pathway) = pathway {
        written += &format!(",PATHWAY-ID=\"{pathway}\"");
    }
    written += line_end;
    let mut has_variant = false;
    for line in lines.filter(|line| !line.starts_with(STEERING)) {
        match pathway.filter(|_| VARIANTS.iter().any(|tag| line.starts_with(tag))) {
            Some(pathway) => {
                match pathway_of(line).map_err(|Malformed| Error::Attributes(line.trim_end().to_owned()))? {
                    Some(other) => {
                        has_variant |= other == pathway;
                        written += line;
                    }
                    None => {
                        has_variant = true;
                        let (tag, end) = line.split_at(line.trim_end().len());
                        written += &format!("{tag},PATHWAY-ID=\"{pathway}\"{end}");
                    }
                }
            }
            None => written += line,
        }
    }
    match pathway.filter(|_| !has_variant) {
        Some(pathway) => Err(Error::NoVariantIn(pathway.to_owned())),
        None => Ok(written),
    }
}

/// Whether the text is a pathway ID (draft-pantos-hls-rfc8216bis section 7.1) of at most 128 bytes.
pub(crate) fn is_pathway(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// A malformed attribute list.
struct Malformed;

/// The pathway of a tag. Quoted strings may contain commas and text that looks like an attribute.
fn pathway_of(tag: &str) -> Result<Option<&str>, Malformed> {
    let (_, mut rest) = tag.trim_end().split_once(':').ok_or(Malformed)?;
    let mut pathway = None;
    loop {
        let (name, value) = rest.split_once('=').ok_or(Malformed)?;
        if name.contains(['"', ',']) {
            return Err(Malformed);
        }
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(Malformed)?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if value.contains('"') {
            return Err(Malformed);
        }
        if name.trim() == "PATHWAY-ID" {
            pathway = Some(value);
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(pathway),
            None => return Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:6\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64001f,mp4a.40.2\"\nlow.m3u8\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n";
    const STEERING: Steering<'_> = Steering { server_uri: "/steering/hls?app=live", pathway: None };

    #[test]
    fn the_tag_is_added_at_the_top_and_everything_else_is_kept() {
        let added = add_steering(PLAYLIST, STEERING).unwrap();
        let (before, after) = PLAYLIST.split_at("#EXTM3U\n".len());
        assert_eq!(added, format!("{before}#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steering/hls?app=live\"\n{after}"));
    }

    #[test]
    fn variants_get_the_pathway_unless_they_have_one() {
        let steering = Steering { pathway: Some("edge-1"), ..STEERING };
        let added = add_steering(PLAYLIST, steering).unwrap();
        for line in [
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steering/hls?app=live\",PATHWAY-ID=\"edge-1\"",
            "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64001f,mp4a.40.2\",PATHWAY-ID=\"edge-1\"",
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\",PATHWAY-ID=\"edge-1\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a.m3u8\"",
        ] {
            assert!(added.lines().any(|found| found == line), "{line}: {added}");
        }
        let other = Steering { pathway: Some("edge-2"), ..STEERING };
        assert_eq!(add_steering(&added, other), Err(Error::NoVariantIn("edge-2".to_owned())));
    }

    #[test]
    fn adding_the_tag_is_idempotent() {
        for steering in [STEERING, Steering { pathway: Some("edge-1"), ..STEERING }] {
            for playlist in [PLAYLIST.to_owned(), PLAYLIST.replace('\n', "\r\n"), PLAYLIST.trim_end().to_owned()] {
                let once = add_steering(&playlist, steering).unwrap();
                assert_eq!(add_steering(&once, steering).as_ref(), Ok(&once));
                assert_eq!(once.matches("\r\n").count() > 0, playlist.contains('\r'));
                assert_eq!(once.ends_with('\n'), playlist.ends_with('\n'));
            }
        }
        let moved = add_steering(&add_steering(PLAYLIST, STEERING).unwrap(), Steering { server_uri: "/x", ..STEERING });
        assert_eq!(moved.unwrap().matches("CONTENT-STEERING").count(), 1);
    }

    #[test]
    fn invalid_input_is_rejected_with_its_cause() {
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n";
        for (playlist, error) in [
            ("", Error::NoPlaylist),
            ("<html>", Error::NoPlaylist),
            (media, Error::MediaPlaylist),
            ("#EXTM3U\n", Error::NoVariants),
        ] {
            assert_eq!(add_steering(playlist, STEERING), Err(error), "{playlist}");
        }
        for attributes in
            ["BANDWIDTH=1,CODECS=\"a", "BANDWIDTH", "", "A=\"a\"B=1", "A=1,", "A\"=\"b", "A=b\"c\"", "A=1,,B=2"]
        {
            let tag = format!("#EXT-X-STREAM-INF:{attributes}");
            let added = add_steering(&format!("#EXTM3U\n{tag}\n"), Steering { pathway: Some("a"), ..STEERING });
            assert_eq!(added, Err(Error::Attributes(tag)));
        }
        for uri in ["", "a b", "a\"b", "a\nb"] {
            let steering = Steering { server_uri: uri, ..STEERING };
            assert_eq!(add_steering(PLAYLIST, steering), Err(Error::Uri(uri.to_owned())));
        }
        let steering = Steering { pathway: Some("a b"), ..STEERING };
        assert_eq!(add_steering(PLAYLIST, steering), Err(Error::Pathway("a b".to_owned())));
    }
}
