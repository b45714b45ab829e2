//! What reading an archive takes and costs, before it is done.

use super::ui;
use crate::case::Plan;
use indicatif::HumanCount;

/// List prices of S3 Standard in us-east-1, in dollars; other regions and classes differ a little.
const LIST_DOLLARS: f64 = 0.005 / 1000.0;
const GET_DOLLARS: f64 = 0.0004 / 1000.0;
/// Of the first ten terabytes a month to the internet; nothing to the same region.
const TRANSFER_DOLLARS: f64 = 0.09 / 1e9;

pub(super) fn estimate(plan: &Plan) -> String {
    let (files, bytes) = (HumanCount(plan.files), ui::bytes(plan.bytes));
    let mut text = format!("{files} files, {bytes} to read\n");
    let (list, get) = (plan.requests.list, plan.requests.get);
    if get > 0 {
        let requests = list as f64 * LIST_DOLLARS + get as f64 * GET_DOLLARS;
        let transfer = plan.bytes as f64 * TRANSFER_DOLLARS;
        text += &format!(
            "{} GET requests to come, {} LIST requests made: about ${requests:.2}\n\
             transfer out of AWS: about ${transfer:.2}, nothing within the region \
             (list prices of S3 Standard in us-east-1)\n",
            HumanCount(get),
            HumanCount(list),
        );
    }
    text
}
