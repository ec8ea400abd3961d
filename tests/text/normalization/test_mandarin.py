"""Mandarin as written against Mandarin as said, and against wetext where wetext is right."""

from __future__ import annotations

import random

import pytest

from sovits.text import normalize
from sovits.text.normalization.mandarin_numbers import cardinal

CASES = {
    # whole numbers, decimals, signs
    "1,234,567人": "一百二十三万四千五百六十七人",
    "10200米": "一万零二百米",
    "一共110个": "一共一百一十个",
    "圆周率是3.14159": "圆周率是三点一四一五九",
    "气温-5度": "气温负五度",
    "2个人2天2公里": "两个人两天两公里",
    "2月2号2楼第2次": "二月二号二楼第二次",
    "200元，2000元，20000元": "二百元,两千元,两万元",
    "1.5亿，100多人，300+": "一点五亿,一百多人,三百多",
    # fractions, percentages, ranges, scores
    "3/4的人": "四分之三的人",
    "增长50%，下降-10%，5‰": "增长百分之五十,下降负百分之十,千分之五",
    "20~30岁，10-20人": "二十到三十岁,十到二十人",
    "比分3:2，以2-1战胜": "比分三比二,以二比一战胜",
    # dates and times
    "2026年11月22日": "二零二六年十一月二十二日",
    "今天是2026-11-22": "今天是二零二六年十一月二十二日",
    "11/22/2026出发": "二零二六年十一月二十二日出发",
    "98年3月，1990年代，90后": "九八年三月,一九九零年代,九零后",
    "下午3点30分": "下午三点三十分",
    "14:05开会": "十四点零五分开会",
    "10:30 pm见": "晚上十点三十分见",
    "凌晨2点，2:00，2点半": "凌晨两点,两点,两点半",
    "8:00-17:00营业，9-11点": "八点到十七点营业,九到十一点",
    # money
    "花了5美元，¥300": "花了五美元,三百元",
    "￥1,000.50，$3.50，€5，£20": "一千点五元,三点五美元,五欧元,二十英镑",
    "$100万": "一百万美元",
    "￥5~10": "五到十元",
    # dictated numbers
    "电话号码13812345678": "电话号码幺三八幺二三四五六七八",
    "我的电话是010-12345678": "我的电话是零幺零幺二三四五六七八",
    "拨打400-800-8888或打110": "拨打四零零八零零八八八八或打幺幺零",
    "QQ号12345": "Q Q号幺二三四五",
    # units
    "速度120km/h，重5kg，2kg": "速度每小时一百二十公里,重五千克,两千克",
    "-5.5°C，20℃，10m²": "零下五点五摄氏度,二十摄氏度,十平方米",
    # letters with digits, symbols
    "GPU3块，A4纸，5G网络": "G P U三块,A四纸,五G网络",
    "C919大飞机，1080P": "C九一九大飞机,一零八零P",
    "3+5=8，3×5，10÷2": "三加五等于八,三乘五,十除以二",
    "你&我，No.5，5#楼": "你和我,五号,五号楼",
    # lists and full-width writing
    "3、4个，１２３，14：05": "三,四个,一百二十三,十四点零五分",
    "我有 3 个苹果": "我有三个苹果",
}


@pytest.mark.parametrize(("written", "said"), CASES.items())
def test_reads(written: str, said: str) -> None:
    assert normalize(written) == said


def test_what_is_normal_stays() -> None:
    for said in CASES.values():
        assert normalize(said) == said


def test_cardinals_against_wetext() -> None:
    wetext = pytest.importorskip("wetext")
    reference = wetext.Normalizer(lang="zh", operator="tn")
    draw = random.Random(0)
    # wetext says 两百 where we say 二百 (both are right), and stops at 12 digits.
    numbers = [*range(1, 112), *(draw.randrange(10 ** draw.randint(3, 11)) for _ in range(150))]
    for number in numbers:
        expected = reference.normalize(f"{number}号楼").removesuffix("号楼")
        assert cardinal(str(number)).replace("二", "两") == expected.replace("二", "两"), number


@pytest.mark.parametrize(
    "written",
    ["2003年", "3月5日", "24小时", "第101名", "北纬30°", "500ml", "100日元", "5至10", "2-1=1", "上午10点", "3元5角", "1.8m", "2吨", "2两"],
)
def test_readings_wetext_agrees_with(written: str) -> None:
    wetext = pytest.importorskip("wetext")
    assert normalize(written, "zh") == wetext.Normalizer(lang="zh", operator="tn").normalize(written)
