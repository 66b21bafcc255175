//! Hashes of streams, on which agents and balancers agree.
//!
//! An agent reports its hottest streams as hashes, and a balancer hashes the stream that a client requests: equal
//! hashes are the same stream. Names are never sent: they have any length, and may be confidential.

/// FNV-1a with 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Returns the hash of a stream: FNV-1a, 64 bits, of the bytes of `APPLICATION/STREAM`.
///
/// Both names are hashed unchanged. For the stream that a path names see [`of_path`].
#[must_use]
pub fn hash(application: &str, stream: &str) -> u64 {
    [application, "/", stream].iter().fold(OFFSET_BASIS, |hash, part| fnv_1a(hash, part.as_bytes()))
}

/// Returns the hash of the stream that the path of a URL names, or `None` if it names none.
///
/// The first segment is the application, the second the stream; empty segments, a query and a fragment are ignored. The
/// last dot of the stream's name and all that follows it are removed, unless the name begins with that dot:
/// `/live/cam1`, `/live/cam1.m3u8` and `/live/cam1/index.m3u8` are one stream, and so are `/live/cam1.stream` over RTSP
/// and `/live/cam1.stream/playlist.m3u8` over HTTP. Percent-escapes and prefixes such as `mp4:` are kept.
///
/// ```
/// use weir_protocol::stream;
///
/// let cam1 = Some(stream::hash("live", "cam1"));
/// assert_eq!(stream::of_path("/live/cam1"), cam1);
/// assert_eq!(stream::of_path("/live/cam1/index.m3u8?token=7"), cam1);
/// assert_eq!(stream::of_path("/live"), None);
/// ```
#[must_use]
pub fn of_path(path: &str) -> Option<u64> {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let mut segments = path[..end].split('/').filter(|segment| !segment.is_empty());
    let (application, name) = (segments.next()?, segments.next()?);
    Some(hash(application, without_extension(name)))
}

fn without_extension(name: &str) -> &str {
    // A name that begins with its only dot is all extension; removing it would leave no stream.
    name.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty()).unwrap_or(name)
}

fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_agrees_with_the_published_test_vectors() {
        // From the reference implementation's test suite.
        assert_eq!(fnv_1a(OFFSET_BASIS, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(OFFSET_BASIS, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a(OFFSET_BASIS, b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(hash("live", "cam1"), fnv_1a(OFFSET_BASIS, b"live/cam1"));
    }

    #[test]
    fn paths_of_every_protocol_name_one_stream() {
        let cam1 = Some(hash("live", "cam1"));
        for path in [
            "/live/cam1",
            "live/cam1",
            "//live//cam1/",
            "/live/cam1.m3u8",
            "/live/cam1/index.m3u8",
            "/live/cam1/720p/segment.7.ts",
            "/live/cam1.m3u8?token=/a.b/c",
            "/live/cam1#t=1.5",
        ] {
            assert_eq!(of_path(path), cam1, "{path}");
        }
    }

    #[test]
    fn an_extension_is_removed_from_the_stream_and_not_from_the_application() {
        assert_eq!(of_path("/live/cam.1.m3u8"), Some(hash("live", "cam.1")));
        assert_eq!(of_path("/live/cam1.stream/playlist.m3u8"), of_path("/live/cam1.stream"));
        assert_eq!(of_path("/live/.m3u8"), Some(hash("live", ".m3u8")));
        assert_eq!(of_path("/live.tv/cam1"), Some(hash("live.tv", "cam1")));
    }

    #[test]
    fn prefixes_and_escapes_are_kept() {
        assert_eq!(of_path("/vod/mp4:sample.mp4"), Some(hash("vod", "mp4:sample")));
        assert_eq!(of_path("/vod/mp4:sample.mp4/playlist.m3u8"), Some(hash("vod", "mp4:sample")));
        assert_eq!(of_path("/live/cam%2e1"), Some(hash("live", "cam%2e1")));
        assert_ne!(of_path("/live/cam%31"), of_path("/live/cam1"));
    }

    #[test]
    fn a_path_of_fewer_than_two_segments_names_no_stream() {
        for path in ["", "/", "///", "*", "/live", "/live/", "/live?/cam1", "/live/#cam1"] {
            assert_eq!(of_path(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_causes_a_panic(path in "([/.?#%:a]|.){0,40}") {
            let _ = of_path(&path);
        }

        #[test]
        fn whatever_follows_the_stream_is_ignored(
            application in "[^/?#]{1,8}", stream in "[^/?#.]{1,8}", extension in "[^/?#.]{0,4}",
            rest in "([^/?#]{0,5}/){0,3}", query in "([?#].{0,8})?",
        ) {
            let expected = Some(hash(&application, &stream));
            prop_assert_eq!(of_path(&format!("/{application}/{stream}{query}")), expected);
            prop_assert_eq!(of_path(&format!("/{application}/{stream}.{extension}{query}")), expected);
            prop_assert_eq!(of_path(&format!("//{application}/{stream}/{rest}x.{extension}{query}")), expected);
        }

        #[test]
        fn a_path_names_a_stream_exactly_when_it_has_two_segments(path in "[/a.]{0,8}") {
            let segments = path.split('/').filter(|segment| !segment.is_empty()).count();
            prop_assert_eq!(of_path(&path).is_some(), segments >= 2);
        }
    }
}
