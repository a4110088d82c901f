"""Small MIMIC-III and MIMIC-IV folders in the official layout, with generated text."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# the official headers
MIMIC3 = {
    "NOTEEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,STORETIME,CATEGORY,DESCRIPTION,CGID,ISERROR,TEXT",
    "ADMISSIONS": "ROW_ID,SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ADMISSION_TYPE,ADMISSION_LOCATION,"
    "DISCHARGE_LOCATION,INSURANCE,LANGUAGE,RELIGION,MARITAL_STATUS,ETHNICITY,EDREGTIME,EDOUTTIME,DIAGNOSIS,"
    "HOSPITAL_EXPIRE_FLAG,HAS_CHARTEVENTS_DATA",
    "PATIENTS": "ROW_ID,SUBJECT_ID,GENDER,DOB,DOD,DOD_HOSP,DOD_SSN,EXPIRE_FLAG",
    "DIAGNOSES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE",
    "D_ICD_DIAGNOSES": "ROW_ID,ICD9_CODE,SHORT_TITLE,LONG_TITLE",
}
MIMIC4 = {
    "discharge": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
    "radiology": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
    "admissions": "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,"
    "discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag",
    "patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
    "diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version",
    "d_icd_diagnoses": "icd_code,icd_version,long_title",
}


def write(path: Path, header: str, rows: list[Row]) -> Path:
    """A csv, or a csv.gz."""
    names = header.split(",")
    assert all(set(row) <= set(names) for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([names, *([row.get(name, "") for name in names] for row in rows)])
    content = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def stay3(subject: int, hadm: int, admit: str, disch: str, **more: Any) -> Row:
    times = {"ADMITTIME": f"{admit}:00", "DISCHTIME": f"{disch}:00", "HOSPITAL_EXPIRE_FLAG": 0, "ADMISSION_TYPE": "EMERGENCY"}
    where = {"ADMISSION_LOCATION": "EMERGENCY ROOM ADMIT", "ETHNICITY": "WHITE", "INSURANCE": "Medicare", "LANGUAGE": "ENGL"}
    return {"ROW_ID": hadm, "SUBJECT_ID": subject, "HADM_ID": hadm, **times, **where, **more}


def note3(row: int, subject: int, hadm: int | str, chart: str, category: str = "Nursing", **more: Any) -> Row:
    """chart: a day, or a day and a time."""
    time = {"CHARTTIME": f"{chart}:00"} if " " in chart else {}
    text = 'Seen, "stable".\nHR 80,\nplan: [**2150-1-2**] Dr. [**Last Name (un) 7**]\n'
    day = {"ROW_ID": row, "SUBJECT_ID": subject, "HADM_ID": hadm, "CHARTDATE": chart[:10], **time}
    return {**day, "CATEGORY": category, "DESCRIPTION": "Report", "TEXT": text, **more}


def mimic3(folder: Path, gz: bool = False, **tables: list[Row]) -> Path:
    """A folder with the given tables; those not given have a few rows that fit together."""
    standard: dict[str, list[Row]] = {
        "ADMISSIONS": [
            stay3(1, 11, "2150-01-01 10:00", "2150-01-05 12:00"),
            stay3(1, 12, "2150-01-20 10:00", "2150-01-25 12:00", DEATHTIME="2150-01-24 08:00:00", HOSPITAL_EXPIRE_FLAG=1),
            stay3(2, 21, "2190-03-01 10:00", "2190-03-02 12:00", ETHNICITY="BLACK/AFRICAN AMERICAN", LANGUAGE="SPAN"),
        ],
        "PATIENTS": [
            {"ROW_ID": 1, "SUBJECT_ID": 1, "GENDER": "F", "DOB": "2110-01-02 00:00:00"},
            {"ROW_ID": 2, "SUBJECT_ID": 2, "GENDER": "M", "DOB": "1890-03-01 00:00:00"},
        ],
        "DIAGNOSES_ICD": [
            {"SUBJECT_ID": subject, "HADM_ID": hadm, "SEQ_NUM": at, "ICD9_CODE": code}
            for subject, hadm, codes in (
                (1, 11, ("4280", "25000", "V1046")),
                (1, 12, ("4280", "5849")),
                (2, 21, ("0389", "5849")),
            )
            for at, code in enumerate(codes, 1)
        ],
        "NOTEEVENTS": [
            note3(101, 1, 11, "2150-01-02 09:00"),
            note3(102, 1, 12, "2150-01-21 09:00", "Physician "),
            note3(103, 2, 21, "2190-03-01", "Radiology"),
        ],
    }
    for name, rows in {**standard, **tables}.items():
        write(folder / f"{name}.csv{'.gz' if gz else ''}", MIMIC3[name], rows)
    return folder


def stay4(subject: int, hadm: int, admit: str, disch: str, **more: Any) -> Row:
    times = {"admittime": f"{admit}:00", "dischtime": f"{disch}:00", "hospital_expire_flag": 0, "admission_type": "EW EMER."}
    where = {"admission_location": "EMERGENCY ROOM", "race": "WHITE", "insurance": "Medicare", "language": "English"}
    return {"subject_id": subject, "hadm_id": hadm, **times, **where, **more}


def note4(subject: int, hadm: int | str, kind: str, seq: int, chart: str, store: str = "", **more: Any) -> Row:
    times = {"charttime": f"{chart}:00", "storetime": f"{store}:00" if store else ""}
    text = f' \nName:  ___   Unit No:  ___\n"{kind}" {seq}\n'
    ids = {"note_id": f"{subject}-{kind}-{seq}", "subject_id": subject, "hadm_id": hadm, "note_type": kind, "note_seq": seq}
    return {**ids, **times, "text": text, **more}


def mimic4(folder: Path, flat: bool = False, **tables: list[Row]) -> Path:
    """A folder with hosp/ and note/ (or flat), all gzipped; tables not given have a few rows that fit together."""
    standard: dict[str, list[Row]] = {
        "admissions": [
            stay4(1, 11, "2150-01-01 10:00", "2150-01-05 12:00"),
            stay4(2, 21, "2190-03-01 10:00", "2190-03-04 12:00", deathtime="2190-03-04 11:00:00", hospital_expire_flag=1),
        ],
        "patients": [
            {"subject_id": 1, "gender": "F", "anchor_age": 60, "anchor_year": 2145, "anchor_year_group": "2011 - 2013"},
            {"subject_id": 2, "gender": "M", "anchor_age": 91, "anchor_year": 2190, "anchor_year_group": "2011 - 2013"},
        ],
        "diagnoses_icd": [
            {"subject_id": 1, "hadm_id": 11, "seq_num": 1, "icd_code": "4280", "icd_version": 9},
            {"subject_id": 2, "hadm_id": 21, "seq_num": 1, "icd_code": "I509", "icd_version": 10},
            {"subject_id": 2, "hadm_id": 21, "seq_num": 2, "icd_code": "H6690", "icd_version": 10},
        ],
        "discharge": [note4(1, 11, "DS", 1, "2150-01-05 00:00", "2150-01-06 15:00"), note4(2, 21, "DS", 1, "2190-03-04 00:00")],
        "radiology": [note4(1, 11, "RR", 1, "2150-01-02 10:00", "2150-01-02 12:00"), note4(2, 21, "AR", 2, "2190-03-02 10:00")],
    }
    for name, rows in {**standard, **tables}.items():
        place = folder if flat else folder / ("note" if name in ("discharge", "radiology") else "hosp")
        write(place / f"{name}.csv.gz", MIMIC4[name], rows)
    return folder
