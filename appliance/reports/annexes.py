"""The fields of a major ICT-related incident's forms: number, name, how its value is written, when it is asked for, which answers there are. Pure.

Implementing Regulation (EU) 2025/302: numbers and names of Annex I; kinds, conditions and answers of Annex II. Each field is asked for at the stage its
number begins with (2: initial notification, 3: intermediate report, 4: final report; 1: all) and at every later one, always or under its condition.
"""

from __future__ import annotations

from typing import Final, NamedTuple

TEXT: Final = "text"
LEI: Final = "LEI (ISO 17442-1)"
TIME: Final = "time in UTC (ISO 8601)"
NUMBER: Final = "whole number"
PERCENTAGE: Final = "percentage, one decimal at most"  # 2.4 for 2.4 %, rounded half up
AMOUNT: Final = "amount of money"
DURATION: Final = "DD:HH:MM"
BOOLEAN: Final = "Yes or No"
CURRENCY: Final = "currency (ISO 4217)"
COUNTRIES: Final = "countries (ISO 3166 alpha-2)"
ONE: Final = "one of the answers"
MANY: Final = "any of the answers"


class Field(NamedTuple):
    """`when`: only then it is asked for; empty: always."""

    name: str
    kind: str
    when: str = ""

    @property
    def asked(self) -> str:
        return f"{self.kind}, {self.when}" if self.when else self.kind


FIELDS: Final[dict[str, Field]] = {
    "1.1": Field("Type of submission", ONE),
    "1.2": Field("Name of the entity submitting the report", TEXT),
    "1.3": Field("Identification code of the entity submitting the report", TEXT),
    "1.4": Field("Type of financial entity affected", MANY),
    "1.5": Field(
        "Name of the financial entity affected",
        TEXT,
        "if the financial entity affected by the incident is different from the entity submitting the report and in case of aggregated reporting",
    ),
    "1.6": Field(
        "LEI code of the financial entity affected",
        LEI,
        "if the financial entity affected by the major ICT-related incident is different from the entity submitting the report and in case of aggregated reporting",
    ),
    "1.7": Field("Primary contact person name", TEXT),
    "1.8": Field("Primary contact person email", TEXT),
    "1.9": Field("Primary contact person telephone", TEXT),
    "1.10": Field("Second contact person name", TEXT),
    "1.11": Field("Second contact person email", TEXT),
    "1.12": Field("Second contact person telephone", TEXT),
    "1.13": Field("Name of the ultimate parent undertaking", TEXT, "if the financial entity belongs to a group"),
    "1.14": Field("LEI code of the ultimate parent undertaking", LEI, "if the financial entity belongs to a group"),
    "1.15": Field("Reporting currency", CURRENCY),
    "2.1": Field("Incident reference code assigned by the financial entity", TEXT),
    "2.2": Field("Date and time of detection of the major ICT-related incident", TIME),
    "2.3": Field("Date and time of classification of the ICT-related incident as major", TIME),
    "2.4": Field("Description of the major ICT-related incident", TEXT),
    "2.5": Field("Classification criteria that triggered the incident report", MANY),
    "2.6": Field(
        "Materiality thresholds for the classification criterion 'Geographical spread'",
        COUNTRIES,
        "if 'Geographical spread' threshold is met",
    ),
    "2.7": Field("Discovery of the major ICT-related incident", ONE),
    "2.8": Field(
        "Indication whether the major ICT-related incident originates from a third-party provider or another financial entity",
        TEXT,
        "if the incident originates from a third-party provider or another financial entity",
    ),
    "2.9": Field("Activation of business continuity plan, if activated", BOOLEAN),
    "2.10": Field(
        "Other relevant information",
        TEXT,
        "if there is other information not covered in the template or if the major ICT-related incident has been reclassified as non-major",
    ),
    "3.1": Field("Incident reference code provided by the competent authority", TEXT, "if applicable"),
    "3.2": Field("Date and time of occurrence of the major ICT-related incident", TIME),
    "3.3": Field(
        "Date and time when services, activities or operations have been recovered",
        TIME,
        "if data field 3.16. 'Service downtime' has been populated",
    ),
    "3.4": Field("Number of clients affected", NUMBER),
    "3.5": Field("Percentage of clients affected", PERCENTAGE),
    "3.6": Field("Number of financial counterparts affected", NUMBER),
    "3.7": Field("Percentage of financial counterparts affected", PERCENTAGE),
    "3.8": Field(
        "Impact on relevant clients or financial counterparts",
        BOOLEAN,
        "if 'Relevance of clients and financial counterparts' threshold is met",
    ),
    "3.9": Field("Number of affected transactions", NUMBER, "if any transaction has been affected by the incident"),
    "3.10": Field(
        "Percentage of affected transactions", PERCENTAGE, "if any transaction has been affected by the incident"
    ),
    "3.11": Field("Value of affected transactions", AMOUNT, "if any transaction has been affected by the incident"),
    "3.12": Field(
        "Information on whether the numbers are actual or estimates, or whether there has not been any impact", MANY
    ),
    "3.13": Field("Reputational impact", MANY, "if 'Reputational impact' criterion met"),
    "3.14": Field(
        "Contextual information about the reputational impact", TEXT, "if 'Reputational impact' criterion met"
    ),
    "3.15": Field("Duration of the major ICT-related incident", DURATION),
    "3.16": Field("Service downtime", DURATION, "if the incident has caused a service downtime"),
    "3.17": Field(
        "Information on whether the numbers for duration and service downtime are actual or estimates",
        ONE,
        "if 'Duration and service downtime' criterion met",
    ),
    "3.18": Field("Types of impact in the Member States", MANY, "if 'Geographical spread' threshold is met"),
    "3.19": Field(
        "Description of how the major ICT-related incident has an impact in other Member States",
        TEXT,
        "if 'Geographical spread' threshold is met",
    ),
    "3.20": Field(
        "Materiality thresholds for the classification criterion 'Data losses'",
        MANY,
        "if 'Data losses' criterion is met",
    ),
    "3.21": Field("Description of the data losses", TEXT, "if 'Data losses' criterion is met"),
    "3.22": Field("Classification criterion 'Critical services affected'", TEXT),
    "3.23": Field("Type of the major ICT-related incident", MANY),
    "3.24": Field("Other types of incidents", TEXT, "if 'other' type of incidents is selected in data field 3.23"),
    "3.25": Field(
        "Threats and techniques used by the threat actor",
        MANY,
        "if the type of the ICT-related incident is 'cybersecurity-related' in field 3.23",
    ),
    "3.26": Field("Other types of techniques", TEXT, "if 'other' type of techniques is selected in data field 3.25"),
    "3.27": Field("Information about affected functional areas and business processes", TEXT),
    "3.28": Field("Affected infrastructure components supporting business processes", ONE),
    "3.29": Field(
        "Information about affected infrastructure components supporting business processes",
        TEXT,
        "if the incident has affected infrastructure components supporting business processes",
    ),
    "3.30": Field("Impact on the financial interest of clients", ONE),
    "3.31": Field("Reporting to other authorities", MANY),
    "3.32": Field(
        "Specification of 'other' authorities",
        TEXT,
        "if 'other' type of authorities have been informed by the financial entity about the major ICT-related incident",
    ),
    "3.33": Field("Temporary actions/measures taken or planned to be taken to recover from the incident", BOOLEAN),
    "3.34": Field(
        "Description of any temporary actions and measures taken or planned to be taken to recover from the incident",
        TEXT,
        "if temporary actions/measures have been taken or are planned to be taken (data field 3.33)",
    ),
    "3.35": Field(
        "Indicators of compromise",
        TEXT,
        "if cybersecurity-related is selected as a type of incident in data field 3.23",
    ),
    "4.1": Field("High-level classification of root causes of the incident", MANY),
    "4.2": Field("Detailed classification of root causes of the incident", MANY),
    "4.3": Field(
        "Additional classification of root causes of the incident",
        MANY,
        "if a category reported in field 4.2 requires further granularity",
    ),
    "4.4": Field(
        "Other types of root cause types", TEXT, "if 'other' type of root causes is selected in data field 4.2"
    ),
    "4.5": Field("Information about the root causes of the incident", TEXT),
    "4.6": Field("Incident resolution summary", TEXT),
    "4.7": Field("Date and time when the incident root cause was addressed", TIME),
    "4.8": Field("Date and time when the incident was resolved", TIME),
    "4.9": Field(
        "Information if the permanent resolution date of the incident differs from the initially planned implementation date",
        TEXT,
    ),
    "4.10": Field(
        "Assessment of risk to critical functions for resolution purposes",
        TEXT,
        "if the incident poses a risk to critical functions of financial entities under Article 2(1), point 35, of Directive 2014/59/EU",
    ),
    "4.11": Field(
        "Information relevant for resolution authorities",
        TEXT,
        "if the incident has affected the resolvability of the entity or the group",
    ),
    "4.12": Field("Materiality threshold for the classification criterion 'Economic impact'", TEXT),
    "4.13": Field("Amount of gross direct and indirect costs and losses", AMOUNT),
    "4.14": Field("Amount of financial recoveries", AMOUNT),
    "4.15": Field(
        "Information on whether the non-major incidents have been recurring",
        TEXT,
        "if the major incident comprises more than one non-major recurring incidents",
    ),
    "4.16": Field("Date and time of occurrence of recurring incidents", TIME, "for recurring incidents"),
}

#: Field -> its answers, as Annex II has them.
ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "1.1": (
        "initial notification",
        "intermediate report",
        "final report",
        "major incident reclassified as non-major",
    ),
    "1.4": (
        "credit institution",
        "payment institution",
        "exempted payment institution",
        "account information service provider",
        "electronic money institution",
        "exempted electronic money institution",
        "investment firm",
        "crypto-asset service provider",
        "issuer of asset-referenced tokens",
        "central securities depository",
        "central counterparty",
        "trading venue",
        "trade repository",
        "manager of alternative investment fund",
        "management company",
        "data reporting service provider",
        "insurance and reinsurance undertaking",
        "insurance intermediary, reinsurance intermediary and ancillary insurance intermediary",
        "institution for occupational retirement provision",
        "credit rating agency",
        "administrator of critical benchmarks",
        "crowdfunding service provider",
        "securitisation repository",
    ),
    "2.5": (
        "clients, financial counterparts and transactions affected",
        "reputational impact",
        "duration and service downtime",
        "geographical spread",
        "data losses",
        "critical services affected",
        "economic impact",
    ),
    "2.7": (
        "IT Security",
        "staff",
        "internal audit",
        "external audit",
        "clients",
        "financial counterparts",
        "third-party provider",
        "attacker",
        "monitoring systems",
        "authority/agency/ law enforcement body",
        "other",
    ),
    "3.12": (
        "actual figures for clients affected",
        "actual figures for financial counterparts affected",
        "actual figures for transactions affected",
        "estimates for clients affected",
        "estimates for financial counterparts affected",
        "estimates for transactions affected",
        "no impact on clients",
        "no impact on financial counterparts",
        "no impact on transactions",
    ),
    "3.13": (
        "the major ICT-related incident has been reflected in the media",
        "the major ICT-related incident has resulted in repetitive complaints from different clients or financial counterparts on client-facing services or critical business relationships",
        "the financial entity will not be able to or is likely not to be able to meet regulatory requirements as a result of the major ICT-related incident",
        "the financial entity will or is likely to lose clients or financial counterparts with a material impact on its business as a result of the major ICT-related incident",
    ),
    "3.17": (
        "Actual figures",
        "Estimates",
        "Actual figures and estimates",
        "No information available",
    ),
    "3.18": (
        "clients",
        "financial counterparts",
        "branch of the financial entity",
        "financial entities within the group carrying out activities in the respective Member State",
        "financial market infrastructure",
        "third-party providers that may be common to other financial entities",
    ),
    "3.20": (
        "availability",
        "authenticity",
        "integrity",
        "confidentiality",
    ),
    "3.23": (
        "Cybersecurity-related",
        "Process failure",
        "System failure",
        "External event",
        "Payment-related",
        "Other (please specify)",
    ),
    "3.25": (
        "Social engineering (including phishing)",
        "(D)DoS",
        "Identity theft",
        "Data encryption for impact, including ransomware",
        "Resource hijacking",
        "Data exfiltration and manipulation, including identity theft",
        "Data destruction",
        "Defacement",
        "Supply-chain attack",
        "Other (please specify)",
    ),
    "3.28": (
        "Yes",
        "No",
        "Information not available",
    ),
    "3.30": (
        "Yes",
        "No",
        "Information not available",
    ),
    "3.31": (
        "Police/Law Enforcement",
        "CSIRT",
        "Data Protection Authority",
        "National Cybersecurity Agency",
        "None",
        "Other (please specify)",
    ),
    "4.1": (
        "malicious actions",
        "process failure",
        "system failure / malfunction",
        "human error",
        "external event",
    ),
    "4.2": (
        "malicious actions: deliberate internal actions",
        "malicious actions: deliberate physical damage/manipulation/theft",
        "malicious actions: fraudulent actions",
        "process failure: insufficient monitoring or failure of monitoring and control",
        "process failure: insufficient/unclear roles and responsibilities",
        "process failure: ICT risk management process failure",
        "process failure: insufficient or failure of ICT operations and ICT security operations",
        "process failure: insufficient or failure of ICT project management",
        "process failure: inadequacy of internal policies, procedures and documentation",
        "process failure: inadequate ICT systems acquisition, development, and maintenance",
        "process failure: other (please specify)",
        "system failure: hardware capacity and performance",
        "system failure: hardware maintenance",
        "system failure: hardware obsolescence/ageing",
        "system failure: software compatibility/configuration",
        "system failure: software performance",
        "system failure: network configuration",
        "system failure: physical damage",
        "system failure: other (please specify)",
        "human error: omission",
        "human error: mistake",
        "human error: skills & knowledge",
        "human error: inadequate human resources",
        "human error: miscommunication",
        "human error: other (please specify)",
        "external event: natural disasters/force majeure",
        "external event: third-party failures",
        "external event: other (please specify)",
    ),
    "4.3": (
        "monitoring of policy adherence",
        "monitoring of third-party service providers",
        "monitoring and verification of remediation of vulnerabilities",
        "identity and access management",
        "encryption and cryptography",
        "logging",
        "failure in specifying accurate risk tolerance levels",
        "insufficient vulnerability and threat assessments",
        "inadequate risk treatment measures",
        "poor management of residual ICT risks",
        "vulnerability and patch management",
        "change management",
        "capacity and performance management",
        "ICT asset management and information classification",
        "backup and restore",
        "error handling",
        "inadequate ICT systems acquisition, development, and maintenance",
        "insufficient or failure of software testing",
    ),
}
