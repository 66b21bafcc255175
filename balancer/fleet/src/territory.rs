//! Countries and continents, by the codes that geolocation databases use.

use std::fmt;
use std::str::FromStr;

/// A country, by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country([u8; 2]);

/// A continent, by the code that GeoNames and MaxMind use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Continent([u8; 2]);

/// The officially assigned codes of ISO 3166-1, and `XK`, a user-assigned code that databases use for Kosovo.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY \
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// Africa, Antarctica, Asia, Europe, North America, Oceania, South America.
const CONTINENTS: &str = "AF AN AS EU NA OC SA";

/// The text is not a country code.
#[derive(Debug, thiserror::Error)]
#[error("`{written}` is not a country: {}", self.remedy())]
pub struct ParseCountryError {
    written: String,
}

impl ParseCountryError {
    fn remedy(&self) -> &'static str {
        match self.written.as_str() {
            "UK" => "the United Kingdom's code is `GB`",
            "EU" => "Europe is a continent: name it in `continents`",
            _ => "expected two capital letters of ISO 3166-1, such as \"DE\"",
        }
    }
}

/// The text is not a continent code.
#[derive(Debug, thiserror::Error)]
#[error("`{written}` is not a continent: expected one of `{}`", CONTINENTS.replace(' ', "`, `"))]
pub struct ParseContinentError {
    written: String,
}

impl FromStr for Country {
    type Err = ParseCountryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        listed(COUNTRIES, text).map(Self).ok_or_else(|| ParseCountryError { written: text.to_owned() })
    }
}

impl FromStr for Continent {
    type Err = ParseContinentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        listed(CONTINENTS, text).map(Self).ok_or_else(|| ParseContinentError { written: text.to_owned() })
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

fn listed(codes: &str, code: &str) -> Option<[u8; 2]> {
    codes.split(' ').find(|listed| *listed == code)?.as_bytes().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_code_is_listed_once_and_in_order() {
        let codes: Vec<&str> = COUNTRIES.split(' ').collect();
        // 249 assigned codes, and Kosovo's.
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|code, next| code < next));
        for code in codes {
            assert_eq!(code.parse::<Country>().unwrap().to_string(), code);
        }
        assert_eq!("OC".parse::<Continent>().unwrap().to_string(), "OC");
    }

    #[test]
    fn an_invalid_code_is_rejected_with_the_expected_one() {
        for (text, message) in [
            ("UK", "`UK` is not a country: the United Kingdom's code is `GB`"),
            ("EU", "`EU` is not a country: Europe is a continent: name it in `continents`"),
            ("de", "`de` is not a country: expected two capital letters of ISO 3166-1, such as \"DE\""),
            ("", "`` is not a country: expected two capital letters of ISO 3166-1, such as \"DE\""),
        ] {
            assert_eq!(text.parse::<Country>().unwrap_err().to_string(), message);
        }
        assert_eq!(
            "US".parse::<Continent>().unwrap_err().to_string(),
            "`US` is not a continent: expected one of `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`"
        );
    }
}
