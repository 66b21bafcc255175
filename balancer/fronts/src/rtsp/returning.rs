//! Which clients come back on the connection that they were redirected on.

/// What the `User-Agent` of clients holds that connect to the edge that they are sent to.
const RECONNECTING: [&[u8]; 12] = [
    // FFmpeg, and what is built on it, such as mpv and MPlayer.
    b"Lavf",
    b"libmpv",
    b"MPlayer",
    b"GStreamer",
    b"LibVLC",
    // live555 calls itself both.
    b"LIVE555",
    b"Streaming Media",
    b"gortsplib",
    b"QuickTime",
    b"WMPlayer",
    b"NSPlayer",
    b"RealMedia",
];

/// Whether a client with this `User-Agent` may ask for the edge on the connection on which the edge
/// was named.
///
/// Android's Media3 and its forerunner ExoPlayer do. Of a client that is not known it may be
/// expected: it loses nothing but that its connection stays open for a little longer.
pub(super) fn may_return(user_agent: Option<&[u8]>) -> bool {
    let Some(user_agent) = user_agent else { return true };
    !RECONNECTING.iter().any(|known| user_agent.windows(known.len()).any(|part| part == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_are_known_to_reconnect_do_not_return() {
        for known in [
            "Lavf59.27.100",
            "libmpv",
            "GStreamer/1.22.0",
            "LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)",
            "openRTSP (LIVE555 Streaming Media v2022.11.29)",
            "MPlayer (LIVE555 Streaming Media v2012.02.29)",
            "gortsplib",
            "QuickTime/7.6.9 (qtver=7.6.9;os=Windows NT 5.1Service Pack 3)",
            "WMPlayer/12.0.7601.17514 guid/B64345F5-8C45-4818-8A1A-4775F0923FAC",
            "RealMedia Player Version 6.0.9.1235 (linux-2.0-libc6-i386-gcc2.95)",
        ] {
            assert!(!may_return(Some(known.as_bytes())), "{known}");
        }
    }

    #[test]
    fn android_and_whoever_is_not_known_may_return() {
        for agent in
            ["AndroidXMedia3/1.4.1", "ExoPlayerLib/2.19.1", "ExoPlayerLib/2.11.3 (Media Player for Android)", "x", ""]
        {
            assert!(may_return(Some(agent.as_bytes())), "{agent}");
        }
        assert!(may_return(None));
    }
}
