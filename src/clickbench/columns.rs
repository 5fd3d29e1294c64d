//! The 105 columns of `hits`, and what a made-up row has in each.
//!
//! Users, counters, pages, referrers and search phrases are few but frequent, or many but rare, as in real traffic;
//! what belongs to a user (region, screen, phone) stays with the user. Values that queries look for are there.

use crate::bench::digest::mix;
use crate::bench::draw::Draw;

pub(super) const SEED: u64 = 62;

/// 2013-07-01 00:00:00 UTC.
const JULY: i64 = 1_372_636_800;
const JULY_SECONDS: u64 = 31 * 86_400;

/// The values that queries look for.
const USER_WANTED: i64 = 435_090_932_899_640_449;
const URL_HASH_WANTED: i64 = 2_868_770_270_353_813_622;
const REFERER_HASH_WANTED: i64 = 3_594_120_000_172_545_465;
const COUNTER_WANTED: i64 = 62;

/// How many different ones there are.
pub(super) struct Scale {
    users: u64,
    counters: u64,
    urls: u64,
    referers: u64,
    phrases: u64,
}

impl Scale {
    pub fn of(rows: u64) -> Self {
        Scale {
            users: (rows / 6).max(10),
            counters: 6_000.min(rows / 20),
            urls: (rows / 5).max(10),
            referers: (rows / 5).max(10),
            phrases: (rows / 16).max(10),
        }
    }
}

/// What a row is about.
pub(super) struct Hit {
    row: u64,
    /// The page view: some are reported twice.
    watch: u64,
    user: u64,
    user_wanted: u64,
    counter: u64,
    url: u64,
    referer: Option<u64>,
    phrase: Option<u64>,
    /// Seconds since 1970.
    time: i64,
}

impl Hit {
    pub fn of(row: u64, scale: &Scale) -> Self {
        let draw = |what: u64| Draw::new(SEED, 1000 + what);
        let watch = if row % 50 == 49 { row - 1 } else { row };
        Hit {
            row,
            watch,
            user: draw(0).rank(watch, scale.users),
            user_wanted: (scale.users / 2).min(1000),
            counter: draw(1).rank(watch, scale.counters),
            url: draw(2).rank(watch, scale.urls),
            referer: (!draw(3).happens(watch, 20)).then(|| draw(4).rank(watch, scale.referers)),
            phrase: draw(5).happens(watch, 13).then(|| draw(6).rank(watch, scale.phrases)),
            time: JULY + draw(7).below(row, JULY_SECONDS) as i64,
        }
    }
}

/// A row at a column.
pub(super) struct Cell<'a> {
    pub hit: &'a Hit,
    pub draw: Draw,
}

impl Cell<'_> {
    fn below(&self, bound: u64) -> i64 {
        self.draw.below(self.hit.row, bound) as i64
    }

    fn rank(&self, bound: u64) -> i64 {
        self.draw.rank(self.hit.row, bound) as i64
    }

    /// 1 in that many of 100 rows, else 0.
    fn flag(&self, percent: u64) -> i64 {
        i64::from(self.draw.happens(self.hit.row, percent))
    }

    /// A number from 1 in that many of 100 rows, else 0.
    fn some(&self, percent: u64, bound: u64) -> i64 {
        if self.draw.happens(self.hit.row, percent) {
            1 + self.draw.rank(!self.hit.row, bound) as i64
        } else {
            0
        }
    }

    fn of_user(&self, bound: u64) -> i64 {
        self.draw.below(self.hit.user, bound) as i64
    }

    fn rank_of_user(&self, bound: u64) -> i64 {
        self.draw.rank(self.hit.user, bound) as i64
    }

    /// A text in that many of 100 rows, else none.
    fn text(&self, percent: u64, stem: &str, bound: u64) -> String {
        match self.some(percent, bound) {
            0 => String::new(),
            number => format!("{stem}{number}"),
        }
    }
}

/// The values of a column.
pub(super) enum Cells {
    Int16(fn(&Cell) -> i64),
    Int32(fn(&Cell) -> i64),
    Int64(fn(&Cell) -> i64),
    /// Days since 1970.
    Date(fn(&Cell) -> i64),
    Text(fn(&Cell) -> String),
}

use Cells::{Date, Int16, Int32, Int64, Text};

/// The columns in the published order.
pub(super) const COLUMNS: &[(&str, Cells)] = &[
    ("WatchID", Int64(|c| positive(c.hit.watch ^ 0x5741_5443_4800))),
    ("JavaEnable", Int16(|c| c.flag(85))),
    ("Title", Text(|c| title(c.hit.url))),
    ("GoodEvent", Int16(|_| 1)),
    ("EventTime", Int64(|c| c.hit.time)),
    ("EventDate", Date(|c| c.hit.time / 86_400)),
    ("CounterID", Int32(|c| counter(c.hit.counter))),
    // Some way from the limits of the type: a query subtracts from it.
    ("ClientIP", Int32(|c| (mix(c.hit.user) & 0x7fff_ffff) as i64 - 0x4000_0000)),
    ("RegionID", Int32(|c| 1 + c.rank_of_user(5_000))),
    ("UserID", Int64(|c| if c.hit.user == c.hit.user_wanted { USER_WANTED } else { positive(c.hit.user) })),
    ("CounterClass", Int16(|c| c.below(3) - 1)),
    ("OS", Int16(|c| c.rank_of_user(90))),
    ("UserAgent", Int16(|c| c.rank_of_user(80))),
    ("URL", Text(|c| url(c.hit.url))),
    ("Referer", Text(|c| c.hit.referer.map(referer).unwrap_or_default())),
    ("IsRefresh", Int16(|c| c.flag(10))),
    ("RefererCategoryID", Int16(|c| c.rank(10_000))),
    ("RefererRegionID", Int32(|c| c.rank(5_000))),
    ("URLCategoryID", Int16(|c| c.rank(10_000))),
    ("URLRegionID", Int32(|c| c.rank(5_000))),
    (
        "ResolutionWidth",
        Int16(|c| [1366, 1280, 1920, 1024, 1600, 1440, 1680, 800, 320, 0][c.rank_of_user(10) as usize]),
    ),
    (
        "ResolutionHeight",
        Int16(|c| [768, 1024, 1080, 900, 800, 1050, 600, 480, 0][c.rank_of_user(9) as usize]),
    ),
    ("ResolutionDepth", Int16(|c| [24, 32, 16, 0][c.rank_of_user(4) as usize])),
    ("FlashMajor", Int16(|c| c.of_user(12))),
    ("FlashMinor", Int16(|c| c.of_user(10))),
    ("FlashMinor2", Text(|c| c.of_user(800).to_string())),
    ("NetMajor", Int16(|c| c.of_user(5))),
    ("NetMinor", Int16(|c| c.of_user(6))),
    ("UserAgentMajor", Int16(|c| c.of_user(40))),
    ("UserAgentMinor", Text(|c| format!("{}.", c.of_user(30)))),
    ("CookieEnable", Int16(|c| c.flag(97))),
    ("JavascriptEnable", Int16(|c| c.flag(98))),
    ("IsMobile", Int16(|c| i64::from(phone(c.hit.user).is_some()))),
    ("MobilePhone", Int16(|c| phone(c.hit.user).map_or(0, |phone| 1 + phone / 8))),
    ("MobilePhoneModel", Text(|c| phone(c.hit.user).map_or(String::new(), |phone| format!("Model {phone}")))),
    ("Params", Text(|c| c.text(3, "param", 1_000))),
    ("IPNetworkID", Int32(|c| c.of_user(4_000_000))),
    ("TraficSourceID", Int16(|c| c.below(11) - 1)),
    ("SearchEngineID", Int16(|c| if c.hit.phrase.is_some() { 2 + c.rank(60) } else { 0 })),
    ("SearchPhrase", Text(|c| c.hit.phrase.map(phrase).unwrap_or_default())),
    ("AdvEngineID", Int16(|c| c.some(3, 60))),
    ("IsArtifical", Int16(|c| c.flag(5))),
    ("WindowClientWidth", Int16(|c| 20 * c.below(100))),
    ("WindowClientHeight", Int16(|c| 20 * c.below(60))),
    ("ClientTimeZone", Int16(|c| 60 * c.of_user(24) - 720)),
    ("ClientEventTime", Int64(|c| c.hit.time + c.below(600) - 300)),
    ("SilverlightVersion1", Int16(|c| c.of_user(6))),
    ("SilverlightVersion2", Int16(|c| c.of_user(2))),
    ("SilverlightVersion3", Int32(|c| c.of_user(70_000))),
    ("SilverlightVersion4", Int16(|_| 0)),
    ("PageCharset", Text(|c| ["utf-8", "windows-1251", "koi8-r"][c.rank(3) as usize].to_string())),
    ("CodeVersion", Int32(|c| 1 + c.rank(2_000))),
    ("IsLink", Int16(|c| c.flag(12))),
    ("IsDownload", Int16(|c| c.flag(2))),
    ("IsNotBounce", Int16(|c| c.flag(40))),
    ("FUniqID", Int64(|c| positive(c.hit.user ^ 0x4655_4e49_5100))),
    ("OriginalURL", Text(|c| if c.flag(10) == 1 { url(c.hit.url) } else { String::new() })),
    ("HID", Int32(|c| c.below(1 << 30))),
    ("IsOldCounter", Int16(|c| c.flag(1))),
    ("IsEvent", Int16(|c| c.flag(3))),
    ("IsParameter", Int16(|c| c.flag(4))),
    ("DontCountHits", Int16(|c| c.flag(6))),
    ("WithHash", Int16(|c| c.flag(7))),
    ("HitColor", Text(|c| ["5", "E", "F", "G", "D"][c.rank(5) as usize].to_string())),
    ("LocalEventTime", Int64(|c| c.hit.time + 3600 * (c.of_user(24) - 12))),
    ("Age", Int16(|c| [0, 16, 22, 31, 55][c.of_user(5) as usize])),
    ("Sex", Int16(|c| c.of_user(3))),
    ("Income", Int16(|c| c.of_user(4))),
    ("Interests", Int16(|c| c.of_user(20_000))),
    ("Robotness", Int16(|c| c.some(2, 50))),
    ("RemoteIP", Int32(|c| c.of_user(1 << 31) - (1 << 30))),
    ("WindowName", Int32(|c| c.some(20, 5_000))),
    ("OpenerName", Int32(|c| c.some(20, 5_000))),
    ("HistoryLength", Int16(|c| c.rank(200))),
    ("BrowserLanguage", Text(|c| ["ru", "en", "uk", "kk", "tr"][c.rank_of_user(5) as usize].to_string())),
    ("BrowserCountry", Text(|c| ["RU", "US", "UA", "KZ", "TR"][c.rank_of_user(5) as usize].to_string())),
    ("SocialNetwork", Text(|c| c.text(1, "network", 6))),
    ("SocialAction", Text(|c| c.text(1, "action", 4))),
    ("HTTPError", Int16(|c| c.some(1, 500))),
    ("SendTiming", Int32(|c| c.rank(30_000))),
    ("DNSTiming", Int32(|c| c.rank(5_000))),
    ("ConnectTiming", Int32(|c| c.rank(5_000))),
    ("ResponseStartTiming", Int32(|c| c.rank(30_000))),
    ("ResponseEndTiming", Int32(|c| c.rank(60_000))),
    ("FetchTiming", Int32(|c| c.rank(60_000))),
    ("SocialSourceNetworkID", Int16(|c| c.some(1, 6))),
    ("SocialSourcePage", Text(|c| c.text(1, "http://social.example/page", 500))),
    ("ParamPrice", Int64(|c| c.some(1, 1_000_000))),
    ("ParamOrderID", Text(|c| c.text(1, "order", 100_000))),
    ("ParamCurrency", Text(|c| if c.flag(1) == 1 { "RUB".to_string() } else { "NH\u{1c}".to_string() })),
    ("ParamCurrencyID", Int16(|c| c.some(1, 4))),
    ("OpenstatServiceName", Text(|c| c.text(1, "service", 10))),
    ("OpenstatCampaignID", Text(|c| c.text(1, "campaign", 1_000))),
    ("OpenstatAdID", Text(|c| c.text(1, "ad", 5_000))),
    ("OpenstatSourceID", Text(|c| c.text(1, "source", 500))),
    ("UTMSource", Text(|c| c.text(3, "source", 200))),
    ("UTMMedium", Text(|c| c.text(3, "medium", 20))),
    ("UTMCampaign", Text(|c| c.text(3, "campaign", 1_000))),
    ("UTMContent", Text(|c| c.text(2, "content", 2_000))),
    ("UTMTerm", Text(|c| c.text(2, "term", 5_000))),
    ("FromTag", Text(|c| c.text(1, "tag", 300))),
    ("HasGCLID", Int16(|c| c.flag(1))),
    (
        "RefererHash",
        Int64(|c| match c.hit.referer {
            None => positive(u64::MAX),
            Some(0) => REFERER_HASH_WANTED,
            Some(referer) => mix(referer ^ 0x5245_4645_5200) as i64,
        }),
    ),
    (
        "URLHash",
        Int64(|c| if c.hit.url == 0 { URL_HASH_WANTED } else { mix(c.hit.url ^ 0x5552_4c00) as i64 }),
    ),
    ("CLID", Int32(|c| c.some(1, 2_000_000))),
];

/// Numbers without order, none negative.
fn positive(number: u64) -> i64 {
    (mix(number) >> 1) as i64
}

fn counter(rank: u64) -> i64 {
    match rank {
        0 => COUNTER_WANTED,
        rank => 1000 + (mix(rank) % 200_000) as i64,
    }
}

/// One user of ten has a phone whose model is known.
fn phone(user: u64) -> Option<i64> {
    let draw = Draw::new(SEED, 2000);
    draw.happens(user, 10).then(|| draw.rank(!user, 160) as i64)
}

const WORDS: [&str; 24] = [
    "авто",
    "купить",
    "цена",
    "москва",
    "форум",
    "фото",
    "новости",
    "погода",
    "скачать",
    "музыка",
    "кино",
    "игры",
    "download",
    "price",
    "video",
    "photo",
    "news",
    "weather",
    "car",
    "house",
    "recipe",
    "schedule",
    "map",
    "forum",
];

fn word(number: u64) -> &'static str {
    WORDS[(mix(number) % WORDS.len() as u64) as usize]
}

fn phrase(rank: u64) -> String {
    let words = 1 + mix(rank) % 4;
    let words: Vec<&str> = (0..words).map(|place| word(rank * 8 + place)).collect();
    format!("{} {rank}", words.join(" "))
}

fn host(number: u64) -> String {
    match mix(number) % 40 {
        0 => "www.google.ru".to_string(),
        1 => "yandex.ru".to_string(),
        2 => "www.youtube.com".to_string(),
        other => format!(
            "{}site{}.{}",
            ["", "www.", "m."][(number % 3) as usize],
            other * (1 + number % 25),
            ["ru", "com", "com.tr"][(number % 7 % 3) as usize]
        ),
    }
}

fn url(rank: u64) -> String {
    if rank % 100 == 99 {
        return String::new();
    }
    let scheme = if rank % 5 == 1 { "https" } else { "http" };
    let query = match rank % 60 {
        7 => "?from=google",
        8 => "?utm_source=yandex&utm_medium=cpc",
        _ => "",
    };
    // Pages of few hosts: those of the most frequent pages have most.
    let host = host(mix(rank) % (2 + rank / 8));
    format!("{scheme}://{host}/{}/{}/{rank}{query}", word(rank), word(rank + 7))
}

fn referer(rank: u64) -> String {
    let scheme = if rank % 4 == 1 { "https" } else { "http" };
    let host = host(0x5245 + mix(rank) % (2 + rank / 50));
    format!("{scheme}://{host}/{}/{rank}", word(rank + 3))
}

fn title(url: u64) -> String {
    match url % 40 {
        0 => String::new(),
        11 => format!("{} - Google {url}", word(url + 1)),
        _ => format!("{} {} {url}", word(url + 1), word(url + 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_105_columns() {
        let mut names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 105);
    }
}
