! Calls the exported scheme from Fortran: compares it with reference outputs of closurax, measures
! its time, and steps one column forward as a host model would. Stops with 1 if something is wrong.
!
! parity.bin is a stream in the byte order of the machine that wrote it: the text "closurax", then
! 32-bit integers: version of the layout (1), columns, levels; then single precision arrays, the
! inputs and then the outputs in the order of the fields of closurax_inputs and closurax_outputs:
! profiles (level, column) and scalars (column).
program column_driver
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64
  use, intrinsic :: iso_c_binding, only: c_float
  use closurax
  implicit none
  ! Of the largest magnitude of an output, in more columns than these: where the machine rounds
  ! otherwise, the outputs of these columns move by less than this.
  real, parameter :: tolerance = @TOLERANCE@
  type(convection_inputs) :: inputs
  type(convection_outputs) :: reference
  integer :: columns, levels
  logical :: passes

  call read_parity("parity.bin")
  print '(a,i0,a,i0,a,a)', "columns ", columns, ", levels ", levels, &
    ", exported by closurax ", convection_version()
  passes = .true.
  call compare_batches(32)
  call refuse_wrong_inputs()
  call measure([1, 32, 1024])
  call step_forward()
  if (.not. passes) then
    write (error_unit, '(a)') "column_driver: the scheme does not do what it did in closurax"
    stop 1
  end if
  print '(a)', "column_driver: all passed"

contains

  subroutine read_parity(path)
    character(len=*), intent(in) :: path
    character(len=8) :: magic
    integer(int32) :: head(3)
    integer :: unit, status
    open (newunit=unit, file=path, access="stream", form="unformatted", status="old", &
      action="read", iostat=status)
    if (status /= 0) call fail("cannot open "//path)
    read (unit) magic, head
    if (magic /= "closurax" .or. head(1) /= 1) call fail(path//" is not a parity file")
    columns = head(2)
    levels = head(3)
    if (levels /= convection_levels()) call fail(path//" has another number of levels")
    call allocate_inputs(inputs, columns)
    call allocate_outputs(reference, columns)
@READS@
    close (unit)
  end subroutine

  ! In batches, as a host calls it row by row.
  subroutine compare_batches(batch)
    integer, intent(in) :: batch
    type(convection_inputs) :: some
    type(convection_outputs) :: returned, all
    integer :: start, n, code
    call allocate_outputs(all, columns)
    do start = 1, columns, batch
      n = min(batch, columns - start + 1)
      call take(start, n, some)
      call allocate_outputs(returned, n)
      call call_convection(some, returned, code)
      if (code /= 0) call fail(convection_message(code))
@PUT_BACK@
    end do
    print '(a,i0,a,i0,a,i0)', "classes in closurax: none ", &
      count(nint(reference%convection_class) == 0), ", deep ", &
      count(nint(reference%convection_class) == 1), ", shallow ", &
      count(nint(reference%convection_class) == 2)
    print '(a)', "largest difference, relative to the largest magnitude of the output:"
@COMPARISONS@
  end subroutine

  subroutine take(start, n, some)
    integer, intent(in) :: start, n
    type(convection_inputs), intent(out) :: some
@TAKES@
  end subroutine

  subroutine compare_profile(name, returned, expected, largest)
    character(len=*), intent(in) :: name
    real(c_float), intent(in) :: returned(:, :), expected(:, :), largest
    call judge(name, maxval(abs(returned - expected)), largest, tolerance)
  end subroutine

  subroutine compare_scalar(name, returned, expected, largest)
    character(len=*), intent(in) :: name
    real(c_float), intent(in) :: returned(:), expected(:), largest
    call judge(name, maxval(abs(returned - expected)), largest, tolerance)
  end subroutine

  ! Decisions have to be the same in every column.
  subroutine compare_decision(name, returned, expected)
    character(len=*), intent(in) :: name
    real(c_float), intent(in) :: returned(:), expected(:)
    call judge(name, maxval(abs(returned - expected)), maxval(abs(expected)), 0.0)
  end subroutine

  subroutine judge(name, difference, largest, limit)
    character(len=*), intent(in) :: name
    real(c_float), intent(in) :: difference, largest
    real, intent(in) :: limit
    logical :: is_close
    ! Written so that NaN does not pass.
    is_close = difference <= limit*largest
    print '(2x,a32,es10.1,a)', name, difference/max(largest, tiny(1.0)), &
      trim(merge("        ", "  FAILED", is_close))
    passes = passes .and. is_close
  end subroutine

  ! What is laid out the wrong way round must not go unnoticed.
  subroutine refuse_wrong_inputs()
    type(convection_inputs) :: some
    type(convection_outputs) :: returned
    real(c_float), allocatable :: transposed(:, :)
    integer :: code, n
    n = min(columns, levels)
    if (n == levels) then
      call take(1, n, some)
      call allocate_outputs(returned, n)
      transposed = transpose(some%air_pressure)
      some%air_pressure = transposed
      call call_convection(some, returned, code)
      print '(a,a)', "transposed pressure: ", convection_message(code)
      passes = passes .and. code /= 0
    end if
    call take(1, 1, some)
    call allocate_outputs(returned, 1)
    some%air_temperature(1, 1) = transfer(2143289344_int32, 1.0_c_float)
    call call_convection(some, returned, code)
    print '(a,a)', "NaN in temperature:  ", convection_message(code)
    passes = passes .and. code /= 0
  end subroutine

  ! The best of several rounds, each over columns from the first one on, in batches.
  subroutine measure(batches)
    integer, intent(in) :: batches(:)
    type(convection_inputs), allocatable :: some(:)
    type(convection_outputs) :: returned
    integer(int64) :: start, finish, rate
    integer :: i, j, n, calls, code, repeat
    real :: best
    do i = 1, size(batches)
      n = min(batches(i), columns)
      calls = columns/n
      allocate (some(calls))
      do j = 1, calls
        call take((j - 1)*n + 1, n, some(j))
      end do
      call allocate_outputs(returned, n)
      best = huge(best)
      do repeat = 1, 20
        call system_clock(start, rate)
        do j = 1, calls
          call call_convection(some(j), returned, code)
          if (code /= 0) call fail(convection_message(code))
        end do
        call system_clock(finish)
        best = min(best, real(finish - start)/real(rate)*1e6/real(n*calls))
      end do
      print '(a,i0,a,f8.2,a)', "batches of ", n, ":", best, " microseconds per column"
      deallocate (some)
    end do
  end subroutine

  ! One column for an hour, without any other physics. Convection, once called, holds its
  ! tendencies for its lifetime, as in Kain (2004): call again when less than half a step is left.
  subroutine step_forward()
    type(convection_inputs) :: column
    type(convection_outputs) :: held
    real(c_float), allocatable :: exner(:)
    real(c_float) :: remaining, rain
    integer :: first, step, steps, code, calls
    first = findloc(reference%convection_class > 0.5, .true., dim=1)
    call take(max(first, 1), 1, column)
    call allocate_outputs(held, 1)
    allocate (exner(levels), source=(column%air_pressure(:, 1)/1e5)**(287.0/1004.5))
    remaining = 0.0
    rain = 0.0
    calls = 0
    steps = ceiling(3600.0/column%time_step(1))
    do step = 1, steps
      if (remaining < 0.5*column%time_step(1)) then
        call call_convection(column, held, code)
        if (code /= 0) call fail(convection_message(code))
        remaining = held%convective_lifetime(1)
        calls = calls + 1
      end if
      if (remaining > 0.0) then
        associate (dt => column%time_step(1))
          column%air_temperature(:, 1) = column%air_temperature(:, 1) &
            + dt*exner*held%potential_temperature_tendency(:, 1)
          column%vapour_mixing_ratio(:, 1) = column%vapour_mixing_ratio(:, 1) &
            + dt*held%vapour_tendency(:, 1)
          column%eastward_wind(:, 1) = column%eastward_wind(:, 1) &
            + dt*held%eastward_wind_tendency(:, 1)
          column%northward_wind(:, 1) = column%northward_wind(:, 1) &
            + dt*held%northward_wind_tendency(:, 1)
          rain = rain + dt*held%precipitation_rate(1)
        end associate
        ! At constant pressure the density follows the temperature, and the depth the density.
        associate (density => column%air_pressure(:, 1)/(287.0*column%air_temperature(:, 1) &
            *(1.0 + 0.608*column%vapour_mixing_ratio(:, 1))))
          column%layer_thickness(:, 1) = column%layer_thickness(:, 1) &
            *column%air_density(:, 1)/density
          column%air_density(:, 1) = density
        end associate
      end if
      remaining = remaining - column%time_step(1)
    end do
    print '(a,i0,a,i0,a,f7.3,a)', "one column for an hour: ", steps, " steps, ", calls, &
      " calls,", rain, " mm of rain"
    passes = passes .and. all(column%air_temperature > 100.0) &
      .and. all(column%air_temperature < 400.0)
  end subroutine

  subroutine fail(message)
    character(len=*), intent(in) :: message
    write (error_unit, '(a,a)') "column_driver: ", message
    stop 1
  end subroutine

end program
