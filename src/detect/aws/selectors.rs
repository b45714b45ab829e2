//! Event selectors of a trail: which records it would have kept.
//!
//! Basic and advanced selectors, as `aws cloudtrail get-event-selectors` prints them. Insight events
//! are chosen by other settings and are nobody's here.

use super::event::{Record, Scalar, leaves};
use super::pattern::Bad;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a trail is told to keep: what any of its selectors takes.
#[derive(Debug, Clone)]
pub struct Selectors {
    /// The trail's ARN, where the answer has it.
    pub trail: Option<String>,
    any: Vec<Selector>,
}

#[derive(Debug, Clone)]
enum Selector {
    Basic(Basic),
    Advanced(Vec<Condition>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Basic {
    read_write_type: String,
    include_management_events: bool,
    data_resources: Vec<DataResource>,
    exclude_management_event_sources: Vec<String>,
}

impl Default for Basic {
    fn default() -> Self {
        Self {
            read_write_type: "All".to_owned(),
            include_management_events: true,
            data_resources: Vec::new(),
            exclude_management_event_sources: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataResource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    values: Vec<String>,
}

/// A field of an advanced selector; all that it asks must hold.
#[derive(Debug, Clone)]
struct Condition {
    field: String,
    asks: Vec<(Ask, Vec<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Equals,
    StartsWith,
    EndsWith,
    NotEquals,
    NotStartsWith,
    NotEndsWith,
}

const ASKS: [(&str, Ask); 6] = [
    ("Equals", Ask::Equals),
    ("StartsWith", Ask::StartsWith),
    ("EndsWith", Ask::EndsWith),
    ("NotEquals", Ask::NotEquals),
    ("NotStartsWith", Ask::NotStartsWith),
    ("NotEndsWith", Ask::NotEndsWith),
];

/// Fields that advanced selectors may ask for.
pub(crate) const FIELDS: [&str; 11] = [
    "eventCategory",
    "readOnly",
    "eventSource",
    "eventName",
    "eventType",
    "resources.type",
    "resources.ARN",
    "sessionCredentialFromConsole",
    "userIdentity.arn",
    "errorCode",
    "vpcEndpointId",
];
/// Where a basic selector takes all resources of a kind, and not one of that name.
const WHOLE_SERVICE_PARTS: usize = 3;
const READING: [&str; 11] = [
    "Get", "List", "Describe", "Head", "Lookup", "Search", "BatchGet", "Check", "View", "Test",
    "Simulate",
];

/// A resource of a record, as far as selectors look.
#[derive(Debug, Default, Clone, PartialEq)]
struct Resource {
    kind: String,
    arn: String,
}

/// What selectors ask of a record.
struct Event<'r, R: ?Sized> {
    record: &'r R,
    category: String,
    read_only: bool,
    resources: Vec<Resource>,
}

impl Selectors {
    /// # Errors
    /// When it is no answer of `get-event-selectors`, or names what CloudTrail does not know.
    pub fn parse(json: &Value) -> Result<Self, Bad> {
        let bad = |place: &str, reason: String| Bad { place: place.to_owned(), reason };
        let list = |key: &str| json.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut any = Vec::new();
        for (number, selector) in list("EventSelectors").into_iter().enumerate() {
            let basic: Basic = serde_json::from_value(selector)
                .map_err(|e| bad(&format!("EventSelectors[{number}]"), e.to_string()))?;
            if !["All", "ReadOnly", "WriteOnly"].contains(&basic.read_write_type.as_str()) {
                let reason = format!(
                    "ReadWriteType is All, ReadOnly or WriteOnly, got {}",
                    basic.read_write_type
                );
                return Err(bad(&format!("EventSelectors[{number}]"), reason));
            }
            any.push(Selector::Basic(basic));
        }
        for (number, selector) in list("AdvancedEventSelectors").iter().enumerate() {
            let place = format!("AdvancedEventSelectors[{number}]");
            let fields = selector.get("FieldSelectors").and_then(Value::as_array);
            let fields = fields.filter(|fields| !fields.is_empty());
            let fields =
                fields.ok_or_else(|| bad(&place, "FieldSelectors are missing".to_owned()))?;
            let read = |(field, one)| {
                condition(one)
                    .map_err(|reason| bad(&format!("{place}.FieldSelectors[{field}]"), reason))
            };
            let fields: Result<Vec<Condition>, Bad> = fields.iter().enumerate().map(read).collect();
            any.push(Selector::Advanced(fields?));
        }
        if any.is_empty() {
            let reason = "no EventSelectors or AdvancedEventSelectors; expected what `aws cloudtrail get-event-selectors` prints";
            return Err(bad("selectors", reason.to_owned()));
        }
        let trail = ["TrailARN", "TrailName"].iter().find_map(|key| json.get(key)?.as_str());
        Ok(Self { trail: trail.map(str::to_owned), any })
    }

    /// Whether a trail of these selectors would have kept the record.
    #[must_use]
    pub fn take(&self, record: &impl Record) -> bool {
        let event = Event::of(record);
        self.any.iter().any(|selector| match selector {
            Selector::Basic(basic) => basic.takes(&event),
            Selector::Advanced(fields) => takes(fields, &event),
        })
    }
}

impl Basic {
    fn takes(&self, event: &Event<'_, impl Record>) -> bool {
        let way = match self.read_write_type.as_str() {
            "ReadOnly" => event.read_only,
            "WriteOnly" => !event.read_only,
            _ => true,
        };
        let excluded = || {
            let source = event.text("eventSource").unwrap_or_default();
            self.exclude_management_event_sources.contains(&source)
        };
        match event.category.as_str() {
            "Management" => way && self.include_management_events && !excluded(),
            "Data" => {
                way && self.data_resources.iter().any(|wanted| wanted.takes(&event.resources))
            }
            _ => false,
        }
    }
}

impl DataResource {
    fn takes(&self, resources: &[Resource]) -> bool {
        // Objects are named by a prefix, functions and tables by what they are called; an ARN that
        // ends with the service is all of it.
        let names = |value: &String, arn: &String| {
            let whole =
                value.split(':').filter(|part| !part.is_empty()).count() <= WHOLE_SERVICE_PARTS;
            if whole || self.kind == "AWS::S3::Object" {
                return arn.starts_with(value.as_str());
            }
            arn.strip_prefix(value.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        };
        resources.iter().any(|resource| {
            resource.kind == self.kind
                && self.values.iter().any(|value| names(value, &resource.arn))
        })
    }
}

/// All conditions hold; those on resources of one and the same.
fn takes(fields: &[Condition], event: &Event<'_, impl Record>) -> bool {
    let (of_resources, of_event): (Vec<_>, Vec<_>) =
        fields.iter().partition(|condition| condition.field.starts_with("resources."));
    let holds = |condition: &&Condition| {
        let value = match condition.field.as_str() {
            "eventCategory" => Some(event.category.clone()),
            "readOnly" => Some(event.read_only.to_string()),
            field => event.text(field),
        };
        condition.holds(value.as_deref().unwrap_or_default())
    };
    let none = [Resource::default()];
    let resources = if event.resources.is_empty() { &none[..] } else { &event.resources };
    of_event.iter().all(holds)
        && resources.iter().any(|resource| {
            of_resources.iter().all(|condition| match condition.field.as_str() {
                "resources.type" => condition.holds(&resource.kind),
                _ => condition.holds(&resource.arn),
            })
        })
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        self.asks.iter().all(|(ask, values)| {
            let any = |test: fn(&str, &str) -> bool| values.iter().any(|v| test(value, v));
            match ask {
                Ask::Equals => any(|value, v| value == v),
                Ask::StartsWith => any(|value, v| value.starts_with(v)),
                Ask::EndsWith => any(|value, v| value.ends_with(v)),
                Ask::NotEquals => !any(|value, v| value == v),
                Ask::NotStartsWith => !any(|value, v| value.starts_with(v)),
                Ask::NotEndsWith => !any(|value, v| value.ends_with(v)),
            }
        })
    }
}

fn condition(json: &Value) -> Result<Condition, String> {
    let fields: BTreeMap<String, Value> =
        serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
    let field = fields.get("Field").and_then(Value::as_str).ok_or("Field is missing")?;
    if !FIELDS.contains(&field) {
        return Err(format!("there is no field {field}; there are {}", FIELDS.join(", ")));
    }
    let mut asks = Vec::new();
    for (name, values) in fields.iter().filter(|(name, _)| *name != "Field") {
        let ask = ASKS.iter().find(|(known, _)| known == name).map(|(_, ask)| *ask);
        let ask = ask.ok_or_else(|| format!("there is no operator {name}"))?;
        let values: Vec<String> = serde_json::from_value(values.clone())
            .map_err(|_| format!("{name} wants a list of texts"))?;
        if !values.is_empty() {
            asks.push((ask, values));
        }
    }
    if asks.is_empty() {
        return Err(format!("{field} is compared with nothing"));
    }
    Ok(Condition { field: field.to_owned(), asks })
}

impl<'r, R: Record + ?Sized> Event<'r, R> {
    fn of(record: &'r R) -> Self {
        let mut event =
            Self { record, category: String::new(), read_only: false, resources: Vec::new() };
        let name = event.text("eventName").unwrap_or_default();
        event.category = event.text("eventCategory").unwrap_or_else(|| {
            // Before version 1.07 a record did not say.
            let managing = event.text("managementEvent").as_deref() != Some("false");
            if managing { "Management" } else { "Data" }.to_owned()
        });
        let by_name = || READING.iter().any(|verb| name.starts_with(verb));
        event.read_only = event.text("readOnly").map_or_else(by_name, |flag| flag == "true");
        if event.category != "Management" {
            event.resources = resources(record);
        }
        event
    }

    fn text(&self, path: &str) -> Option<String> {
        leaves(self.record, path).into_iter().find_map(|leaf| match leaf.value {
            Scalar::Text(text) => Some(text.into_owned()),
            Scalar::Flag(flag) => Some(flag.to_string()),
            Scalar::Number(number) => Some(number.to_string()),
            Scalar::Null => None,
        })
    }
}

fn resources(record: &(impl Record + ?Sized)) -> Vec<Resource> {
    use super::event::Field;
    let Some(Field::Json(Value::Array(items))) = record.field("resources") else {
        return Vec::new();
    };
    let text = |item: &Value, keys: [&str; 2]| {
        keys.iter().find_map(|key| item.get(key)?.as_str()).unwrap_or_default().to_owned()
    };
    let resource = |item| Resource {
        kind: text(item, ["type", "type"]),
        // A prefix stands for the objects that were listed.
        arn: text(item, ["ARN", "ARNPrefix"]),
    };
    items.iter().map(resource).collect()
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "values are written where they are used")]
mod tests {
    use super::*;
    use serde_json::json;

    fn take(selectors: Value, record: Value) -> bool {
        Selectors::parse(&selectors).unwrap_or_else(|bad| panic!("{bad}")).take(&record)
    }

    fn managing(name: &str, read_only: bool) -> Value {
        json!({"eventName": name, "eventSource": "kms.amazonaws.com", "readOnly": read_only,
            "managementEvent": true, "eventCategory": "Management"})
    }

    fn of_object(name: &str, read_only: bool, object: &str) -> Value {
        json!({"eventName": name, "eventSource": "s3.amazonaws.com", "readOnly": read_only,
            "managementEvent": false, "eventCategory": "Data", "resources": [
                {"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{object}")},
                {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::bucket"}]})
    }

    #[test]
    fn basic_selectors_choose_by_way_and_resource() {
        let basic = |fields: Value| json!({"TrailARN": "t", "EventSelectors": [fields]});
        let all = basic(
            json!({"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": []}),
        );
        assert!(take(all.clone(), managing("Decrypt", true)));
        assert!(
            !take(all, of_object("GetObject", true, "bucket/key")),
            "no data events unless asked for"
        );
        let writes = basic(json!({"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true}));
        assert!(take(writes.clone(), managing("CreateKey", false)));
        assert!(!take(writes, managing("ListKeys", true)));
        let quiet = basic(json!({"ExcludeManagementEventSources": ["kms.amazonaws.com"]}));
        assert!(!take(quiet, managing("Decrypt", true)));
        let objects = |values: Value| {
            basic(json!({"IncludeManagementEvents": false, "DataResources": [
            {"Type": "AWS::S3::Object", "Values": values}]}))
        };
        assert!(take(
            objects(json!(["arn:aws:s3:::bucket/"])),
            of_object("GetObject", true, "bucket/key")
        ));
        assert!(take(objects(json!(["arn:aws:s3"])), of_object("GetObject", true, "other/key")));
        assert!(!take(
            objects(json!(["arn:aws:s3:::bucket/"])),
            of_object("GetObject", true, "bucket2/key")
        ));
        assert!(!take(objects(json!(["arn:aws:s3:::bucket/"])), managing("CreateKey", false)));
        let function = |name: &str| {
            json!({"eventName": "Invoke", "readOnly": false, "eventCategory": "Data",
            "resources": [{"type": "AWS::Lambda::Function", "ARN": format!("arn:aws:lambda:eu-west-1:1:function:{name}")}]})
        };
        let only = basic(json!({"DataResources": [{"Type": "AWS::Lambda::Function",
            "Values": ["arn:aws:lambda:eu-west-1:1:function:pay"]}]}));
        assert!(take(only.clone(), function("pay")) && take(only.clone(), function("pay:live")));
        assert!(!take(only, function("payroll")));
    }

    #[test]
    fn advanced_selectors_want_all_of_their_fields() {
        let advanced = |fields: Value| json!({"AdvancedEventSelectors": [{"Name": "x", "FieldSelectors": fields}]});
        let field = |name: &str, ask: &str, value: &str| json!({"Field": name, ask: [value]});
        let data = field("eventCategory", "Equals", "Data");
        let object = field("resources.type", "Equals", "AWS::S3::Object");
        let inside = field("resources.ARN", "StartsWith", "arn:aws:s3:::bucket/");
        let wanted = advanced(json!([data, object, inside]));
        assert!(take(wanted.clone(), of_object("PutObject", false, "bucket/a")));
        assert!(!take(wanted.clone(), of_object("PutObject", false, "bucket-2/a")));
        assert!(!take(wanted, managing("CreateKey", false)));
        for (field, ask, hit, miss) in [
            ("eventName", "Equals", "PutObject", "GetObject"),
            ("eventName", "StartsWith", "Put", "Get"),
            ("eventName", "EndsWith", "Object", "Objects"),
            ("eventName", "NotEquals", "GetObject", "PutObject"),
            ("eventName", "NotStartsWith", "Get", "Put"),
            ("eventName", "NotEndsWith", "Acl", "Object"),
            ("readOnly", "Equals", "false", "true"),
            ("eventSource", "NotEquals", "x", "s3.amazonaws.com"),
            ("resources.ARN", "NotStartsWith", "arn:aws:s3:::other", "arn:aws:s3:::bucket"),
            ("sessionCredentialFromConsole", "NotEquals", "true", ""),
        ] {
            let with = |value| advanced(json!([data, object, {"Field": field, ask: [value]}]));
            assert!(
                take(with(hit), of_object("PutObject", false, "bucket/a")),
                "{field} {ask} {hit}"
            );
            assert!(
                !take(with(miss), of_object("PutObject", false, "bucket/a")),
                "{field} {ask} {miss}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_told_with_its_place() {
        let told = |json: Value| Selectors::parse(&json).unwrap_err().to_string();
        assert!(told(json!({})).starts_with("selectors: no EventSelectors"));
        assert!(
            told(json!({"EventSelectors": [{"ReadWriteType": "Some"}]}))
                .starts_with("EventSelectors[0]: ReadWriteType")
        );
        let field = |field: Value| json!({"AdvancedEventSelectors": [{"FieldSelectors": [field]}]});
        let at = "AdvancedEventSelectors[0].FieldSelectors[0]: ";
        assert!(
            told(field(json!({"Field": "eventname", "Equals": ["x"]})))
                .starts_with(&format!("{at}there is no field eventname"))
        );
        assert_eq!(
            told(field(json!({"Field": "eventName", "Matches": ["x"]}))),
            format!("{at}there is no operator Matches")
        );
        assert_eq!(
            told(field(json!({"Field": "eventName"}))),
            format!("{at}eventName is compared with nothing")
        );
    }
}
