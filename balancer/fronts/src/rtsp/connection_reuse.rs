//! The clients that request the URL of a redirect on the connection on which they were redirected.

/// Parts of the `User-Agent` of clients that connect to the edge that they are redirected to.
const RECONNECTING: [&[u8]; 12] = [
    // FFmpeg, and programs built on it, such as mpv and MPlayer.
    b"Lavf",
    b"libmpv",
    b"MPlayer",
    b"GStreamer",
    b"LibVLC",
    // live555 sends both.
    b"LIVE555",
    b"Streaming Media",
    b"gortsplib",
    b"QuickTime",
    b"WMPlayer",
    b"NSPlayer",
    b"RealMedia",
];

/// Returns whether a client with this `User-Agent` may request the URL of a redirect on the same connection.
///
/// Android's Media3 and its predecessor ExoPlayer do. An unknown client may, too. If it does not, its connection only
/// stays open a little longer.
pub(super) fn may_reuse_connection(user_agent: Option<&[u8]>) -> bool {
    let Some(user_agent) = user_agent else { return true };
    !RECONNECTING.iter().any(|known| user_agent.windows(known.len()).any(|part| part == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_are_known_to_reconnect_do_not_reuse_the_connection() {
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
            assert!(!may_reuse_connection(Some(known.as_bytes())), "{known}");
        }
    }

    #[test]
    fn android_and_unknown_clients_may_reuse_the_connection() {
        for agent in
            ["AndroidXMedia3/1.4.1", "ExoPlayerLib/2.19.1", "ExoPlayerLib/2.11.3 (Media Player for Android)", "x", ""]
        {
            assert!(may_reuse_connection(Some(agent.as_bytes())), "{agent}");
        }
        assert!(may_reuse_connection(None));
    }
}
