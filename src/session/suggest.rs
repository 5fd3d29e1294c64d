//! Names near a misspelt one.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The candidate that was probably meant, if any comes near: the same but for case, or a few letters off.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let letters_off_max = (lower.chars().count() / 3).max(1) + 1;
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(letters_off, candidate)| {
            // Something must be left of the name.
            *letters_off <= letters_off_max
                && *letters_off < candidate.chars().count().max(lower.chars().count())
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean 'x'?`, quoted as SQL needs it where the name has capitals; empty where nothing is near.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, candidates) {
        Some(near) if near.chars().any(char::is_uppercase) => format!("; did you mean '\"{near}\"'?"),
        Some(near) => format!("; did you mean '{near}'?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_name_a_few_letters_off() {
        assert_eq!(nearest("l_shipdat", ["l_orderkey", "l_shipdate", "l_shipmode"]), Some("l_shipdate"));
        assert_eq!(nearest("Name", ["name", "game"]), Some("name"));
        assert_eq!(nearest("zzzzzz", ["name", "game"]), None);
        assert_eq!(nearest("a", ["b"]), None);
    }

    #[test]
    fn quotes_a_name_that_sql_would_fold() {
        assert_eq!(did_you_mean("price", ["Price"]), "; did you mean '\"Price\"'?");
    }
}
