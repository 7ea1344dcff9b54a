use super::*;

fn close(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{got}, wanted {wanted}");
}

#[test]
fn a_mean_has_the_interval_of_student() {
    // By hand: the mean is 5, the squares add up to 32, t(.975; 7) is 2.364624.
    let estimate = Estimate::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
    close(estimate.mean, 5.0);
    close(estimate.sd, (32.0f64 / 7.0).sqrt());
    close(estimate.half_width, 2.364_624_251_6 * (32.0f64 / 7.0).sqrt() / 8.0f64.sqrt());
    assert_eq!(estimate.n, 8);
}

#[test]
fn quantiles_of_student_are_those_of_the_tables() {
    for (share, degrees, wanted) in [
        (0.975, 1.0, 12.706_204_74),
        (0.975, 9.0, 2.262_157_16),
        (0.975, 29.0, 2.045_229_64),
        (0.95, 399.0, 1.648_681_5),
    ] {
        close(t_quantile(share, degrees), wanted);
        close(t_tail(wanted, degrees), 1.0 - share);
    }
    assert!(t_quantile(0.975, 0.0).is_nan());
}

#[test]
fn what_is_no_number_is_left_out_and_counted_out() {
    let estimate = Estimate::of(&[1.0, f64::NAN, 3.0, f64::INFINITY]);
    assert_eq!((estimate.mean, estimate.n), (2.0, 2));
    let none = Estimate::of(&[f64::NAN]);
    assert!(none.mean.is_nan() && none.half_width.is_nan() && none.n == 0);
    assert!(Estimate::of(&[4.0]).half_width.is_nan());
    assert!(!none.is_within(0.02, 1.0));
}

#[test]
fn an_interval_is_narrow_enough_for_its_size_or_for_the_floor() {
    let estimate = |mean, half_width| Estimate { mean, half_width, sd: 1.0, n: 30 };
    assert!(estimate(-10.0, 0.2).is_within(0.02, 0.0));
    assert!(!estimate(10.0, 0.21).is_within(0.02, 0.0));
    assert!(estimate(0.0, 0.001).is_within(0.02, 0.002));
}

#[test]
fn quantiles_lie_between_neighbours() {
    let values = [3.0, 1.0, 2.0, 4.0];
    assert_eq!((median(&values), quantile(&values, 0.0), quantile(&values, 1.0)), (2.5, 1.0, 4.0));
    assert!(median(&[]).is_nan());
}

#[test]
fn gini_is_nothing_among_equals_and_nearly_one_for_a_monopoly() {
    close(gini(&[5.0, 5.0, 5.0]), 0.0);
    close(gini(&[0.0, 0.0, 0.0, 8.0]), 0.75);
    close(gini(&[1.0, 2.0, 3.0, 4.0]), 0.25);
    assert!(gini(&[0.0, 0.0]).is_nan() && gini(&[-1.0, 2.0]).is_nan());
}

#[test]
fn pairs_show_a_difference_that_the_noise_of_each_would_hide() {
    let noise = [10.0, 200.0, 3000.0, 40.0, 500.0];
    let above: Vec<f64> = noise.iter().zip([1.0, 2.0, 3.0, 4.0, 5.0]).map(|(n, d)| n + d).collect();
    let result = paired(&above, &noise, 0.0);
    close(result.difference.mean, 3.0);
    // t = 3 / (1.581139 / sqrt 5) = 4.242641 with 4 degrees of freedom.
    close(result.p_greater, 0.006_617_5);
    close(result.p_less, 1.0 - 0.006_617_5);
    assert!(paired(&above, &noise, 3.0).p_greater > 0.49);
    assert_eq!(paired(&[2.0, 3.0], &[1.0, 2.0], 0.0).p_greater, 0.25, "two of two by chance");
    assert_eq!(paired(&[2.0, 3.0], &[2.0, 3.0], 0.0).p_greater, 1.0);
    assert!(paired(&[1.0], &[0.0], 0.0).p_greater.is_nan());
}

#[test]
fn holm_takes_the_least_times_all_and_the_last_times_one() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (got, wanted) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        close(*got, wanted);
    }
    assert_eq!(holm(&[f64::NAN, 0.01]), [1.0, 0.02]);
    assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
}

#[test]
fn resampling_brackets_a_median_the_same_way_each_time() {
    let values: Vec<f64> = (1..=99).map(f64::from).collect();
    let interval = bootstrap(&values, 7, median);
    // Of order statistics: the exact 95 % interval is from the 40th to the 60th.
    assert!((37.0..43.0).contains(&interval.low) && (57.0..63.0).contains(&interval.high), "{interval:?}");
    assert_eq!(interval, bootstrap(&values, 7, median));
    assert_ne!(interval, bootstrap(&values, 8, median));
    assert!(bootstrap(&[], 7, median).low.is_nan());
}

#[test]
fn the_curve_of_kaplan_and_meier_steps_as_in_the_books() {
    // Six watched: reached at 1, 3 (two of them) and 6; the watch ended at 2 and 5 for the others.
    let curve = kaplan_meier(&[(3.0, true), (1.0, true), (2.0, false), (3.0, true), (5.0, false), (6.0, true)]);
    let shares: Vec<(f64, usize, f64)> = curve.steps.iter().map(|s| (s.time, s.at_risk, s.share)).collect();
    assert_eq!(shares, [(1.0, 6, 5.0 / 6.0), (3.0, 4, 5.0 / 6.0 * 0.5), (6.0, 1, 0.0)]);
    assert_eq!((curve.n, curve.censored, curve.median()), (6, 2, Some(3.0)));
    close(curve.steps[1].error, 5.0 / 12.0 * (1.0f64 / 30.0 + 2.0 / 8.0).sqrt());
    assert_eq!(kaplan_meier(&[(4.0, false)]).median(), None);
}

#[test]
fn the_warm_up_ends_where_the_series_settles() {
    let mut series: Vec<f64> = (0..40).map(|i| 100.0 - f64::from(i) * 2.5).collect();
    series.extend((0..160).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }));
    let cut = mser5(&series).unwrap();
    assert!((35..=45).contains(&cut), "{cut}");
    assert_eq!(mser5(&[1.0; 50]), Some(0));
    // Still falling at its end.
    assert_eq!(mser5(&(0..50).map(|i| 1.0 / f64::from(1 + i)).collect::<Vec<_>>()), None);
    assert_eq!(mser5(&[1.0, 2.0]), None);
}
